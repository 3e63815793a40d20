import { morph } from './morph.ts';

/** How soon a stream that was refused is asked for again. */
const againMs = 1_000;

/** Keeps what goes on up to date, over restarts of the bot, and says so while it is away. */
export function keepLive(page: Document): void {
  const place = page.querySelector('[data-live]');
  const says = page.querySelector('#away');
  const address = place?.getAttribute('data-live');
  if (place === null || says === null || !address) return;
  const show = (shown: string) => {
    const wanted = page.createElement('div');
    // Made by the page's own server, where every text is escaped.
    wanted.innerHTML = shown;
    const focused = place.contains(page.activeElement);
    morph(place, wanted);
    // What was focused is gone: whoever has no pointer goes on from the top of it.
    if (focused && !place.contains(page.activeElement)) page.querySelector<HTMLElement>('#content')?.focus();
  };
  const watch = () => {
    const source = new EventSource(address);
    source.addEventListener('open', () => {
      says.textContent = '';
    });
    source.addEventListener('shown', ({ data }) => show(data));
    source.addEventListener('error', () => {
      says.textContent = 'The bot is away. This page goes on by itself when it is back.';
      // Refused rather than broken off: the browser leaves it at that.
      if (source.readyState === EventSource.CLOSED) setTimeout(() => void again(), againMs);
    });
  };
  const again = async () => {
    const answer = await fetch(location.href).catch(() => undefined);
    // Signed out meanwhile: there is the door.
    if (answer?.status === 401) location.reload();
    else watch();
  };
  watch();
}
