import type { Sat } from '@nostr-dm-agent/kit/sat';
import type { TuiPluginApi, TuiRouteCurrent } from '@opencode-ai/plugin/tui';
import { useKeyboard, useTerminalDimensions } from '@opentui/solid';
import { createResource, createSignal, onCleanup } from 'solid-js';
import { qrFor } from '../qr.ts';
import { page } from '../sentences/terminal-sentences.ts';
import { element } from './element.ts';

/** Something that waits to be paid. */
export type Unpaid = { readonly invoice: string; readonly amount: Sat; readonly where: 'key' | 'wallet' };

export type InvoicePage = {
  /** Shows it in the whole window: a dialog of opencode's is too low for a code. */
  readonly show: (unpaid: Unpaid, onLeave: () => void) => void;
  /** It was asked once more. */
  readonly asked: () => void;
  /** It is over: back to where the user was. */
  readonly leave: () => void;
};

const route = 'routstr-invoice';
/** Blank rows above and below the code. */
const margin = 2;

export function createInvoicePage(api: TuiPluginApi): InvoicePage {
  const [asked, setAsked] = createSignal(0);
  const [copied, setCopied] = createSignal(false);
  let unpaid: Unpaid | undefined;
  let onLeave: () => void = () => undefined;
  let back: TuiRouteCurrent = { name: 'home' };
  const leave = (): void => {
    if (unpaid === undefined) return;
    unpaid = undefined;
    api.route.navigate(back.name, 'params' in back ? back.params : undefined);
  };

  const render = () => {
    const shown = unpaid;
    if (shown === undefined) return element('box', {});
    const theme = api.theme.current;
    const window = useTerminalDimensions();
    const [qr] = createResource(window, ({ width, height }) =>
      qrFor(shown.invoice.toUpperCase(), { columns: Math.floor(width * 0.6), rows: height - margin }),
    );
    useKeyboard((key) => {
      if (key.name === 'escape') {
        leave();
        onLeave();
      }
      if (key.name === 'c' && !key.ctrl) {
        // OSC 52: the terminal's own clipboard, over SSH, too.
        process.stdout.write(`\u001b]52;c;${Buffer.from(shown.invoice).toString('base64')}\u0007`);
        setCopied(true);
      }
    });
    onCleanup(() => setCopied(false));
    const code = element(
      'text',
      { fg: '#000000', bg: '#ffffff', wrapMode: 'none', flexShrink: 0, width: () => qr()?.columns ?? 0 },
      () => qr()?.lines.join('\n') ?? '',
    );
    const line = (colour: unknown, text: unknown) =>
      element('text', { fg: colour, wrapMode: 'word', marginBottom: 1 }, text);
    const words = element(
      'box',
      { flexDirection: 'column', flexGrow: 1, flexShrink: 1, marginLeft: 2 },
      line(theme.text, page.pay(shown.amount, shown.where)),
      element('text', { fg: theme.textMuted, wrapMode: 'char', marginBottom: 1 }, shown.invoice),
      line(theme.primary, () => page.waiting(asked())),
      line(theme.warning, () => (qr.loading || qr() !== undefined ? '' : page.tooSmall)),
      line(theme.textMuted, () => (copied() ? page.copied : page.keys)),
    );
    return element(
      'box',
      { flexDirection: 'row', padding: 1, flexGrow: 1, backgroundColor: theme.background },
      code,
      words,
    );
  };

  api.route.register([{ name: route, render }]);
  return {
    show: (next, left) => {
      unpaid = next;
      onLeave = left;
      setAsked(0);
      back = api.route.current;
      api.ui.dialog.clear();
      api.route.navigate(route);
    },
    asked: () => setAsked(asked() + 1),
    leave,
  };
}
