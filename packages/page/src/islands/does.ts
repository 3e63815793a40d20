/** Commands are done without leaving the page; what the bot says of them is read out. */
export function doCommands(page: Document): void {
  page.addEventListener('submit', (event) => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || !form.hasAttribute('data-does')) return;
    event.preventDefault();
    void send(page, form);
  });
}

async function send(page: Document, form: HTMLFormElement): Promise<void> {
  const said = page.querySelector('#said');
  // A button that is disabled would lose the focus.
  if (said === null || form.ariaBusy === 'true') return;
  form.ariaBusy = 'true';
  said.textContent = '…';
  try {
    const body = new FormData(form);
    const answer = await fetch(form.action, { method: 'POST', body, headers: { Accept: 'text/x-replies' } });
    // Made by the page's own server, where every text is escaped.
    if (answer.ok) said.innerHTML = await answer.text();
    else said.textContent = answer.status === 401 ? 'You are signed out.' : 'That did not work.';
    if (answer.ok) form.reset();
  } catch {
    said.textContent = 'The bot does not answer. Look whether it was done before you try again.';
  } finally {
    form.ariaBusy = null;
    said.scrollIntoView({ block: 'nearest' });
  }
}
