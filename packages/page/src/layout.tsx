/** @jsxImportSource hono/jsx */
import { raw } from 'hono/html';
import type { Child } from 'hono/jsx';
import type { Visitor } from './visitor.ts';

/** A whole document. `title` and what stands inside are escaped by the JSX of Hono. */
export const Document = ({ title, children }: { readonly title: string; readonly children?: Child }) => (
  <>
    {raw('<!doctype html>')}
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="robots" content="noindex" />
        <title>{title}</title>
        <link rel="icon" href="/assets/icon.svg" type="image/svg+xml" />
        <link rel="stylesheet" href="/assets/page.css" />
        <script type="module" src="/assets/page.js" />
      </head>
      <body>{children}</body>
    </html>
  </>
);

/** A token of many proofs is long. */
export const longestField = 20_000;

/** Who looks, and what their forms carry. */
export type Viewer = { readonly visitor: Visitor; readonly formKey: string };

type MenuEntry = { readonly path: string; readonly title: string };

/** A page behind the doors. */
export const Page = ({
  view: { path, title },
  menu,
  viewer,
  said = [],
  children,
}: {
  readonly view: MenuEntry;
  /** All that there is for them. */
  readonly menu: readonly MenuEntry[];
  readonly viewer: Viewer;
  /** What came of a command. */
  readonly said?: readonly string[];
  readonly children?: Child;
}) => (
  <Document title={`${title} · nostr-dm-agent`}>
    <a class="skip" href="#content">
      To the content
    </a>
    <header>
      <nav aria-label="Sections">
        {menu.map((entry) => (
          <a href={entry.path} aria-current={entry.path === path ? 'page' : undefined}>
            {entry.title}
          </a>
        ))}
      </nav>
      <form method="post" action="/sign-out">
        <input type="hidden" name="formKey" value={viewer.formKey} />
        <button type="submit" class="quiet">
          Sign out
        </button>
      </form>
    </header>
    <main id="content" tabindex={-1}>
      <h1>{title}</h1>
      <p id="away" role="status" />
      <p id="news" role="status" class="unseen" />
      <output id="said">{said.length > 0 ? <Replies texts={said} /> : ''}</output>
      {children}
    </main>
  </Document>
);

/** A moment, the same for every reader; a script may say it in their own time. */
export const Time = ({ at }: { readonly at: number }) => {
  const iso = new Date(at).toISOString();
  return <time datetime={iso}>{iso.slice(0, 16).replace('T', ' ')} UTC</time>;
};

/** The bot's words, as they would stand in a chat. */
export const Replies = ({ texts }: { readonly texts: readonly string[] }) => (
  <div class="replies">
    {texts.map((text) => (
      <pre>{text}</pre>
    ))}
  </div>
);

/** What is filled in: a line, many lines, or one of some. */
export type Field = {
  readonly label: string;
  readonly type?: 'text' | 'number' | 'password' | 'long' | 'code';
  readonly value?: string;
  readonly hint?: string;
  readonly options?: readonly { readonly value: string; readonly label: string }[];
};
/** A button, or fields to fill in, that does a command of the bot; each `{}` in it is what was filled in. */
export type Way = {
  readonly command: string;
  /** The ask that it answers. */
  readonly about?: string;
  readonly label: string;
  readonly field?: Field;
  readonly also?: Field;
  readonly grave?: boolean;
  /** Beside what is done more often. */
  readonly quiet?: boolean;
  /** What comes of it is shown on the page: of the answer its first words are enough. */
  readonly brief?: boolean;
};
/** `back`: the path of the view that stands below what came of it. */
type Place = { readonly viewer: Viewer; readonly back: string };

export const Ways = ({ ways, ...place }: Place & { readonly ways: readonly Way[] }) => (
  <div class="row">
    {ways.map((way) => (
      <Does way={way} {...place} />
    ))}
  </div>
);

export const Does = ({
  way: { command, about, label, field, also, grave = false, quiet = false, brief = false },
  viewer,
  back,
}: Place & { readonly way: Way }) => (
  <form method="post" action="/act" class="does" data-does>
    <input type="hidden" name="formKey" value={viewer.formKey} />
    <input type="hidden" name="command" value={command} />
    {about !== undefined && <input type="hidden" name="about" value={about} />}
    {brief && <input type="hidden" name="brief" value="yes" />}
    <input type="hidden" name="back" value={back} />
    {field && <FieldOf field={field} />}
    {also && <FieldOf field={also} />}
    <button type="submit" class={grave ? 'grave' : quiet ? 'quiet' : ''}>
      {label}
    </button>
  </form>
);

const FieldOf = ({ field }: { readonly field: Field }) => {
  const { label, type = 'text', value, hint, options } = field;
  const usual = { name: 'field', required: true, autocomplete: 'off', placeholder: hint } as const;
  if (options !== undefined)
    return (
      <label>
        {label}
        <select name="field">
          {options.map((option) => (
            <option value={option.value} selected={option.value === value}>
              {option.label}
            </option>
          ))}
        </select>
      </label>
    );
  if (type === 'long')
    return (
      <label>
        {label}
        <textarea {...usual} rows={3} maxlength={longestField} spellcheck={false} />
      </label>
    );
  const kind =
    type === 'code'
      ? ({ inputmode: 'numeric', pattern: '[0-9]{4}', maxlength: 4 } as const)
      : ({ type, value, maxlength: longestField, min: type === 'number' ? 1 : undefined } as const);
  return (
    <label>
      {label}
      <input {...usual} {...kind} />
    </label>
  );
};

/** `npub1qy3…x7k2`: enough to tell owners apart. */
export const shortNpub = (npub: string): string => `${npub.slice(0, 9)}…${npub.slice(-4)}`;
