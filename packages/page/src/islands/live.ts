/** Keeps what goes on up to date. What somebody is writing in is left alone until they are done. */
export function keepLive(page: Document): void {
  const place = page.querySelector('[data-live]');
  const address = place?.getAttribute('data-live');
  if (!(place instanceof HTMLElement) || !address) return;
  const source = new EventSource(address);
  let waiting: string | undefined;
  const isWrittenIn = () =>
    page.activeElement instanceof HTMLInputElement && place.contains(page.activeElement);
  const show = (shown: string) => {
    waiting = undefined;
    const focused = page.activeElement instanceof HTMLButtonElement && place.contains(page.activeElement);
    // Made by the page's own server, where every text is escaped.
    place.innerHTML = shown;
    if (focused) place.querySelector('button')?.focus();
  };
  source.addEventListener('shown', ({ data }) => {
    if (isWrittenIn()) waiting = data;
    else show(data);
  });
  place.addEventListener('focusout', () =>
    setTimeout(() => waiting !== undefined && !isWrittenIn() && show(waiting)),
  );
}
