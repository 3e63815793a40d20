import type { TuiPluginApi } from '@opencode-ai/plugin/tui';
import { oneMoment, titles } from '../sentences/terminal-sentences.ts';
import { sentenceOf } from '../wallet-access.ts';
import { element } from './element.ts';

/** opencode's own dialogs, as questions with an answer. undefined: the user went away. */
export type Dialogs = {
  readonly ask: (title: string, placeholder: string, description?: string) => Promise<string | undefined>;
  readonly choose: <T>(
    title: string,
    options: readonly { readonly title: string; readonly description: string; readonly value: T }[],
  ) => Promise<T | undefined>;
  readonly confirm: (title: string, message: string) => Promise<boolean>;
  readonly say: (title: string, message: string) => Promise<void>;
  /** Shows that it goes on meanwhile. */
  readonly during: <T>(title: string, work: Promise<T>) => Promise<T>;
  /** What a command does; a failure of it is said. */
  readonly command: (work: () => Promise<void>) => () => void;
};

export function createDialogs({ ui, theme }: TuiPluginApi): Dialogs {
  const open = <T>(
    draw: (answer: (value: T) => void) => ReturnType<TuiPluginApi['ui']['Dialog']>,
    none: T,
  ): Promise<T> => {
    const { promise, resolve } = Promise.withResolvers<T>();
    const answer = (value: T): void => {
      resolve(value);
      ui.dialog.clear();
    };
    ui.dialog.replace(
      () => draw(answer),
      () => resolve(none),
    );
    return promise;
  };
  const say: Dialogs['say'] = (title, message) =>
    open<void>((answer) => ui.DialogAlert({ title, message, onConfirm: () => answer() }), undefined);

  return {
    ask: (title, placeholder, description) =>
      open<string | undefined>(
        (answer) =>
          ui.DialogPrompt({
            title,
            placeholder,
            ...(description === undefined
              ? {}
              : { description: () => element('text', { fg: theme.current.textMuted }, description) }),
            onConfirm: (value) => answer(value.trim() === '' ? placeholder : value.trim()),
            onCancel: () => answer(undefined),
          }),
        undefined,
      ),
    choose: <T>(title: string, options: readonly { title: string; description: string; value: T }[]) =>
      open<T | undefined>(
        (answer) => ui.DialogSelect({ title, options: [...options], onSelect: ({ value }) => answer(value) }),
        undefined,
      ),
    confirm: (title, message) =>
      open<boolean>(
        (answer) =>
          ui.DialogConfirm({ title, message, onConfirm: () => answer(true), onCancel: () => answer(false) }),
        false,
      ),
    say,
    during: async (title, work) => {
      ui.dialog.replace(() =>
        element(
          'box',
          { paddingLeft: 2, paddingRight: 2, paddingBottom: 1 },
          element('text', { fg: theme.current.text }, title),
          element('text', { fg: theme.current.textMuted }, oneMoment),
        ),
      );
      try {
        return await work;
      } finally {
        ui.dialog.clear();
      }
    },
    command: (work) => () => {
      work().catch((error: unknown) => say(titles.failed, sentenceOf(error)));
    },
  };
}
