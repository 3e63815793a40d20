import type { Hono } from 'hono';
import type { Child } from 'hono/jsx';
import type { Viewer } from './layout.tsx';
import type { PageEnv } from './page-app.tsx';
import type { PageSource } from './page-source.ts';

/** One section of the page. A new one is a file that makes this, and a line in `views.ts`. */
export type View = {
  readonly path: `/${string}`;
  readonly title: string;
  /** Not there for members. */
  readonly adminsOnly?: boolean;
  readonly show?: (ask: Ask) => Child | Promise<Child>;
  /** Stands below, and keeps itself up to date: it is sent again whenever what it gives has changed. */
  readonly live?: (ask: Ask) => Child | Promise<Child>;
  /** Addresses below its own; whoever may not see the view does not get there. */
  readonly more?: (app: Hono<PageEnv>, inside: Inside) => void;
};

/** What a view is asked for. */
export type Ask = {
  readonly source: PageSource;
  readonly viewer: Viewer;
  /** What stands behind `?`. Not on a view that is shown after a command. */
  readonly query: Readonly<Record<string, string>>;
};

/** What `more` has to work with. */
export type Inside = {
  readonly source: PageSource;
  readonly viewerOf: (c: { readonly var: PageEnv['Variables'] }) => Viewer;
  /** A document of this view's, with its menu. */
  readonly page: (viewer: Viewer, shown: Child) => string | Promise<string>;
};
