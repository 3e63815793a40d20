/** What somebody reads who was let in with a code: what he may do, on one screen of a phone. */
export const welcomeText = [
  'Welcome. You are a member of this bot now.',
  '',
  'Send a task as a plain message, and a coding agent works on it: 👀 means begun, ✅ done, ❌ not done.',
  '!ask <question> changes nothing. !new begins afresh, !stop ends the run, !queue shows what waits.',
  '!wallet balance shows the money, !wallet topup <sats> adds some, !spend shows what you used.',
  '',
  'Your sessions are yours alone. !help lists all that you may do.',
].join('\n');
