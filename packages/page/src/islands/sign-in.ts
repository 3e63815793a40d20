/** NIP-07: what an extension puts into each page. */
type Nostr = {
  readonly signEvent: (event: {
    readonly kind: number;
    readonly created_at: number;
    readonly tags: readonly (readonly string[])[];
    readonly content: string;
  }) => Promise<unknown>;
};

/** Shows the button where there is an extension, and signs in with it (NIP-98). */
export function offerSignIn(page: Document): void {
  const button = page.querySelector<HTMLButtonElement>('#sign-in');
  const says = page.querySelector('#sign-in-says');
  if (button === null || says === null) return;
  // Extensions come a moment after the page.
  const look = setInterval(() => {
    if (!('nostr' in window)) return;
    button.hidden = false;
    clearInterval(look);
  }, 200);
  setTimeout(() => clearInterval(look), 5_000);
  button.addEventListener('click', async () => {
    says.textContent = '';
    const isIn = await signIn().catch(() => false);
    if (isIn) location.assign('/');
    else
      says.textContent = 'That did not work: only owners of this bot come in, and the extension has to sign.';
  });
}

async function signIn(): Promise<boolean> {
  const nostr: Nostr | undefined = Reflect.get(window, 'nostr');
  if (nostr === undefined) return false;
  const asked = await fetch('/sign-in/challenge', { method: 'POST' });
  const { challenge }: { challenge: string } = await asked.json();
  const event = await nostr.signEvent({
    kind: 27235,
    created_at: Math.floor(Date.now() / 1000),
    tags: [
      ['u', `${location.origin}/sign-in`],
      ['method', 'POST'],
      ['challenge', challenge],
    ],
    content: '',
  });
  const answered = await fetch('/sign-in', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(event),
  });
  return answered.ok;
}
