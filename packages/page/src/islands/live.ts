import { morph } from './morph.ts';

/** How soon a stream that was refused is asked for again. */
const againMs = 1_000;

/** Keeps what goes on up to date, over restarts of the bot, and says so while it is away. */
export function keepLive(page: Document): void {
  const place = page.querySelector('[data-live]');
  const says = page.querySelector('#away');
  const hears = page.querySelector('#news');
  const address = place?.getAttribute('data-live');
  if (place === null || says === null || hears === null || !address) return;
  const show = (shown: string) => {
    const wanted = page.createElement('div');
    // Made by the page's own server, where every text is escaped.
    wanted.innerHTML = shown;
    const focused = place.contains(page.activeElement);
    const before = told(place);
    morph(place, wanted);
    // What was focused is gone: whoever has no pointer goes on from the top of it.
    if (focused && !place.contains(page.activeElement)) page.querySelector<HTMLElement>('#content')?.focus();
    const news = [...told(place)].filter((text) => !before.has(text));
    if (news.length > 0) hears.textContent = news.join(' ');
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

/** What is read out when it is new, to whoever does not see it. */
const told = (place: Element): ReadonlySet<string> =>
  new Set([...place.querySelectorAll('[data-tell]')].map(({ textContent }) => textContent));
