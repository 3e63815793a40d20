/** @jsxImportSource hono/jsx */
import type { Child } from 'hono/jsx';

/** A whole document. `title` and what stands inside are escaped by the JSX of Hono. */
export const Document = ({ title, children }: { readonly title: string; readonly children?: Child }) => (
  <html lang="en">
    <head>
      <meta charset="utf-8" />
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <meta name="color-scheme" content="light dark" />
      <meta name="robots" content="noindex" />
      <title>{title}</title>
      <link rel="stylesheet" href="/assets/page.css" />
      <script type="module" src="/assets/page.js" />
    </head>
    <body>{children}</body>
  </html>
);
