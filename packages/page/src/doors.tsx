/** @jsxImportSource hono/jsx */
import { Document } from './layout.tsx';

/** What everybody sees who is not in: the same at every address, so that it tells nothing. */
export const ClosedDoor = () => (
  <Document title="nostr-dm-agent">
    <main class="door">
      <h1>nostr-dm-agent</h1>
      <p>
        This page is for the bot’s owners. Send the bot <code>!page</code> for a link, or sign in with the key
        that you write to it with.
      </p>
      <button type="button" id="sign-in" hidden>
        Sign in with Nostr
      </button>
      <p id="sign-in-says" role="status" />
    </main>
  </Document>
);

/** Opens with a press of the button: a program that looks at every link it sees would use it up otherwise. */
export const OpenDoor = ({ secret }: { readonly secret: string }) => (
  <Document title="nostr-dm-agent">
    <main class="door">
      <h1>nostr-dm-agent</h1>
      <form method="post" action={`/enter/${secret}`}>
        <button type="submit">Come in</button>
      </form>
    </main>
  </Document>
);

export const StaleDoor = () => (
  <Document title="nostr-dm-agent">
    <main class="door">
      <h1>nostr-dm-agent</h1>
      <p>
        This link is used up or older than ten minutes. Send the bot <code>!page</code> for another.
      </p>
    </main>
  </Document>
);

/** Behind the doors: an address that leads nowhere, or to what is not its visitor's. */
export const NothingHere = () => (
  <Document title="nostr-dm-agent">
    <main class="door">
      <h1>There is nothing here</h1>
      <p>
        <a href="/now">What goes on now</a>
      </p>
    </main>
  </Document>
);

/** Why stands in the log: it may be about somebody else. */
export const Broken = () => (
  <Document title="nostr-dm-agent">
    <main class="door">
      <h1>That did not work</h1>
      <p>
        The bot’s log says why. <a href="/now">What goes on now</a>
      </p>
    </main>
  </Document>
);
