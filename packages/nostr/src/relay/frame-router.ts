import type { RelayAuth } from './auth.ts';
import { parseRelayFrame, peekEventFrame } from './frames.ts';
import type { RelayPublishing } from './publishing.ts';
import type { RelayContext } from './relay-context.ts';
import type { RelayRequests } from './requests.ts';

/** Who hears what a relay says. */
type FrameHearers = {
  readonly requests: Pick<RelayRequests, 'find' | 'onClosed' | 'onNotice'>;
  readonly auth: Pick<RelayAuth, 'onOk' | 'onChallenge'>;
  readonly publishing: Pick<RelayPublishing, 'onOk' | 'onChallenge'>;
  readonly onNotice: (message: string) => void;
  readonly onMalformed: () => void;
};

/** Takes each text frame of a relay to whoever waits for it. Events that nobody wants are dropped before they are parsed. */
export const createFrameRouter =
  (
    { url, log }: Pick<RelayContext, 'url' | 'log'>,
    { requests, auth, publishing, onNotice, onMalformed }: FrameHearers,
  ) =>
  (text: string): void => {
    const peek = peekEventFrame(text);
    if (peek !== undefined) {
      const listener = requests.find(peek.subscriptionId);
      if (listener === undefined) return;
      if (peek.eventId !== undefined && !listener.wants(peek.eventId)) return;
    }
    const frame = parseRelayFrame(text);
    switch (frame.type) {
      case 'EVENT':
        requests.find(frame.subscriptionId)?.onEvent(frame.event);
        break;
      case 'EOSE':
        requests.find(frame.subscriptionId)?.onEose();
        break;
      case 'CLOSED':
        requests.onClosed(frame.subscriptionId, frame.message);
        break;
      case 'OK':
        if (!auth.onOk(frame.eventId, frame.accepted, frame.message)) {
          publishing.onOk(frame.eventId, frame.accepted, frame.message);
        }
        break;
      case 'AUTH':
        auth.onChallenge(frame.challenge);
        publishing.onChallenge();
        break;
      case 'NOTICE':
        log.debug({ relay: url, notice: frame.message }, 'relay notice');
        onNotice(frame.message);
        requests.onNotice(frame.message);
        break;
      case 'malformed':
        onMalformed();
        break;
    }
  };
