/** Buttons that copy a text of the page; without a script they are not shown. */
export function copyTexts(page: Document): void {
  page.documentElement.classList.add('scripted');
  page.addEventListener('click', async ({ target }) => {
    if (!(target instanceof HTMLButtonElement)) return;
    const text = page.getElementById(target.dataset.copy ?? '')?.textContent;
    if (!text) return;
    const label = target.textContent;
    await navigator.clipboard.writeText(text).then(
      () => (target.textContent = 'Copied'),
      () => (target.textContent = 'Not allowed: select the text'),
    );
    setTimeout(() => (target.textContent = label), 2_000);
  });
}
