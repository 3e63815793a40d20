import { healthView } from './health.tsx';
import { logView } from './log.tsx';
import { moneyView } from './money.tsx';
import { nodesView } from './nodes.tsx';
import { nowView } from './now.tsx';
import { ownersView } from './owners.tsx';
import { providersView } from './providers.tsx';
import { relaysView } from './relays.tsx';
import { schedulesView } from './schedules.tsx';
import { sessionsView } from './sessions.tsx';
import { settingsView } from './settings.tsx';
import type { View } from './view.ts';
import type { Visitor } from './visitor.ts';

/** The sections of the page, in the order of its menu. */
export const views: readonly View[] = [
  nowView,
  moneyView,
  providersView,
  sessionsView,
  schedulesView,
  relaysView,
  ownersView,
  nodesView,
  settingsView,
  healthView,
  logView,
];

/** Those that there are for a visitor. */
export const viewsFor = ({ role }: Visitor): readonly View[] =>
  views.filter(({ adminsOnly = false }) => role === 'admin' || !adminsOnly);
