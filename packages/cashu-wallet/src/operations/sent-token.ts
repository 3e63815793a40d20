/* A token that was made: handed over, claimed, taken back (`send.ts` has the states). */
import type { Core } from '../wallet-core.ts';
import type { OperationId } from '../wallet-types.ts';
import { type SendOperation, sendSchema } from './send-states.ts';

/** A token that is out, or may be: it can be handed over, claimed and taken back. */
const out = ['issued', 'handed_over'] as const;

/** The token, written down as being with `to` before anybody sees it. @throws OperationStateError once it is settled */
export function handOver(core: Core, id: OperationId, to: string): string {
  return core.store.write(() => {
    const { token: text, face } = core.journal.body(id, sendSchema, ...out);
    core.journal.move<SendOperation>(id, out, { state: 'handed_over', token: text, face, to });
    return text;
  });
}

const holderOf = (body: Extract<SendOperation, { state: (typeof out)[number] }>): string =>
  body.state === 'issued' ? '' : body.to;

/** Inside the transaction that prepares the receive operation which takes the token back. */
export function beginReclaim(core: Core, id: OperationId, receive: OperationId): void {
  const body = core.journal.body(id, sendSchema, ...out);
  core.journal.move<SendOperation>(id, out, { ...body, state: 'reclaiming', to: holderOf(body), receive });
}

/** Inside the transaction that ends that receive operation. Not taken back: the token may be claimed, or is as before. */
export function endReclaim(core: Core, id: OperationId, taken: boolean): void {
  const { token: text, face, to, receive } = core.journal.body(id, sendSchema, 'reclaiming');
  if (taken) core.proofs.spend(core.proofs.heldBy(id, 'sent'), id);
  const before: SendOperation =
    to === '' ? { state: 'issued', token: text, face } : { state: 'handed_over', token: text, face, to };
  core.journal.move<SendOperation>(
    id,
    ['reclaiming'],
    taken ? { state: 'reclaimed', face, receive } : before,
  );
}

/** Inside the transaction of the receipt that took the last of a token which came back bit by bit. */
export function endSend(core: Core, id: OperationId, receive: OperationId): void {
  const body = core.journal.body(id, sendSchema);
  if (body.state !== 'issued' && body.state !== 'handed_over') return;
  core.journal.move<SendOperation>(id, out, { state: 'reclaimed', face: body.face, receive });
}

/** The receiver showed that it has the token's value. @throws OperationStateError when there is no token */
export function confirmClaimed(core: Core, id: OperationId): void {
  if (core.journal.head(id).state !== 'claimed') markClaimed(core, id);
}

/** The mint says that every proof of the token is spent, and it was not us. */
export function markClaimed(core: Core, id: OperationId): void {
  core.store.write(() => {
    const body = core.journal.body(id, sendSchema, ...out);
    core.proofs.spend(core.proofs.heldBy(id, 'sent'), id);
    core.journal.move<SendOperation>(id, out, { state: 'claimed', face: body.face, to: holderOf(body) });
  });
}
