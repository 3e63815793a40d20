/** What people say in place of a command's own words, or to answer, in lower case and without the marks round it. */

const words = (list: string): ReadonlySet<string> => new Set(list.split('|'));

const YES = words(
  'y|ye|yes|yess|yesss|yep|yup|yeah|yea|ya|yah|aye|ok|oke|oké|okay|okey|okey dokey|k|kk|sure|sure thing|of course|confirm|confirmed|agreed|approve|approved|correct|fine|ja|jo|joo|jawohl|klar|oui|ouais|sí|si|claro|vale|sim|certo|da|да|так|tak|ano|áno|evet|igen|kyllä|ναι|نعم|بله|हाँ|हां|はい|うん|是|是的|好|好的|可以|对|對|네|예|응|ใช่|vâng|hai|ndiyo|👍|✅|👌|💯',
);
const NO = words(
  'n|no|noo|nooo|nope|nah|no way|never|don’t|dont|do not|cancel that|decline|declined|deny|reject|rejected|never mind|nevermind|never mind, forget it|nvm|forget it|forget about it|no don’t|no, don’t|don’t do that|don’t do it|do not do that|nein|nee|nö|ne|non|não|nao|нет|ні|nie|net|nej|nei|ei|hayır|hayir|nem|όχι|لا|نه|नहीं|いいえ|不|不是|不要|不行|否|아니요|아니|ไม่|không|tidak|hapana|👎|❌|🚫|✋',
);
/** Said to an agent it is work; while a code waits, it is a yes. */
const CONSENTS = words(
  'do it|do that|go|go ahead|go for it|go on|proceed|pay|pay it|send it|move it|confirm it|confirm that|let’s go|lets go|yes do it|yes pay|yes send it|ok do it|ok go|please do',
);
/** Meant for whoever reads it, not as work. */
const COURTESIES = words(
  'thanks|thank you|thank u|many thanks|thanks a lot|thank you so much|thx|ty|tysm|cheers|great|great thanks|nice|nice one|cool|perfect|awesome|well done|good job|good bot|lol|haha|danke|merci|gracias|obrigado|obrigada|grazie|gm|gn|good morning|good night|good evening|bye|bye bye|goodbye|good bye|see you|cya|quit|exit|logout|you there|are you there|u there|anybody there|anyone there|still there|are you alive|are you ok|good work|great work|nice work|great job|nice job|amazing|awesome work|wow|brilliant|excellent|fantastic|love it|all good|looks good|lgtm|hm|hmm|hmmm|oh|ah|oops|ups|sorry|my bad|wrong chat|wrong window|wrong person|sorry wrong chat|oops wrong chat|oops sorry|oops, sorry|np|no problem|no worries|brb|afk|one sec|one moment|thank you very much|thanks so much|thanks man|sleep well|see you later|see you tomorrow|ha|hahaha|lmao|rofl|xd',
);
/** Emoji that people answer with; others may be a task. */
const FEELINGS = /^[❤♥🧡💛💚💙💜🖤🤍🙏👏🙌💪🤝🫡🎉🥳🔥⚡😀-🙏🤐-🤯🤷🤦♂♀🥰🥱🥲🥹🫠👋👀💀🤞🚀⭐✨]+$/u;
/** `:)`, `:-D`, `<3`, `^^`, in lower case. */
const EMOTICON = String.raw`(?:[:;=]['’]?-?[()\[\]dpo3|/\\*]+|<3+|\^_*\^)`;
const ONLY_EMOTICONS = new RegExp(`^${EMOTICON}(?:\\s+${EMOTICON})*$`, 'u');

/** Bare words that everybody tries, beside the commands' own. */
const COMMANDS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    stop: 'no stop|no, stop|wait stop|wait, stop|abort|cancel|halt|stopp|arrête|arrete|arrêter|alto|para|pare|detente|basta|стоп|止めて|やめて|停|停止|🛑|⏹|⏸|⛔|stop what you are doing|stop what you’re doing|kill it|abort it|cancel it',
    'stop all': 'stop all|stop everything|stopall|cancel all|cancel everything|abort all|kill all',
    'queue drop all': 'queue clear|clear queue|empty queue|drop all|empty the queue|clear the queue',
    help: 'commands|menu|start|hilfe|ayuda|aide|ajuda|aiuto|help me|help me out|i need help|what can you do|how does this work|how do i use this|how do i use you|how do you work|who are you|what are you|помощь|帮助|ヘルプ',
    status:
      'info|what are you doing|what’s up|whats up|what is up|what’s going on|whats going on|what is going on|are you busy',
    'wallet balance':
      'money|my money|sats|how much is left|how much money is left|how much money do i have|how much do i have|how many sats are left|how many sats left|how many sats do i have|how many sats do you have|how much sats do i have|sats left|how much money do you have|saldo|solde|guthaben|kontostand',
    'wallet topup':
      'add funds|add money|add sats|top it up|top up my wallet|top up the wallet|topup my wallet|topup wallet|fund my wallet|fund the wallet|refill my wallet|how do i top up',
    new: 'new session|new chat|new conversation|start new session|start a new session|reset',
  }).flatMap(([command, said]) => said.split('|').map((each) => [each, command] as const)),
);

/** `stop the run now`: nothing but what can be stopped. */
const STOP =
  /^(?:stop|stopp|cancel|abort|halt|kill)(?:\s+(?:it|that|this|now|right now|immediately|there|here|running|working|the|a|my|run|task|agent|job|work|bot|current|one))+$/u;
/** `what’s my balance`, `my balance`: about one of the bot's own things. */
const QUESTION =
  /^(?:(?:what(?:’s| is| are)?|whats|show(?: me)?|check|see|view|get|give me|tell me|list)\s+)?(?:(?:my|the|our|your|all|is|current)\s+)*(?=(?:wallet|balance|queue|status|sessions|models|help|commands|owners|nodes|providers|pending|mints|spend)$)/u;

/** What a message of these words alone stands for. undefined: it may be anything. */
export type Everyday =
  | { readonly kind: 'answer'; readonly answer: 'yes' | 'no' }
  | { readonly kind: 'courtesy' }
  /** The words of a command, perhaps with what it takes. */
  | { readonly kind: 'command'; readonly words: string };

/** @param plain lower case, without marks at its ends */
export function everydayMeaning(plain: string): Everyday | undefined {
  const said = plain
    .replaceAll("'", '’')
    // 👍🏽, 👍👍👍
    .replace(/\p{Emoji_Modifier}|[\ufe0e\ufe0f]/gu, '')
    .replace(/^(\p{Extended_Pictographic})\1+$/u, '$1');
  if (YES.has(said)) return { kind: 'answer', answer: 'yes' };
  if (NO.has(said)) return { kind: 'answer', answer: 'no' };
  if (COURTESIES.has(said) || FEELINGS.test(said) || ONLY_EMOTICONS.test(said)) return { kind: 'courtesy' };
  if (/^\?+$/.test(said)) return { kind: 'command', words: 'help' };
  const command = COMMANDS.get(said) ?? (STOP.test(said) ? 'stop' : undefined);
  if (command !== undefined) return { kind: 'command', words: command };
  const asked = said.replace(QUESTION, '');
  return asked === said ? undefined : { kind: 'command', words: asked };
}

/** Whether somebody who was asked says yes by it. */
export const isConsent = (text: string): boolean =>
  text.length <= 40 &&
  CONSENTS.has(withoutCourtesy(text.trim().toLowerCase().replace(/[.,!]/g, '').replaceAll("'", '’')));

const PLEASE = 'please|pls|plz|plox|bitte|por favor|s’il te plaît|s’il vous plaît|prego|onegai';
const BEFORE = new RegExp(
  `^(?:(?:${PLEASE}|hey|hi|hello|yo|ok|okay|so|and|just|now|bot|dear bot|can you|could you|would you)(?=[\\s,:!.]))[\\s,:!.]+`,
  'u',
);
const AFTER = new RegExp(
  `[\\s,]+(?:${PLEASE}|thanks|thank you|thx|ty|danke|merci|gracias|now|right now|asap|bot)$`,
  'u',
);
const EMOTICON_AFTER = new RegExp(`\\s+${EMOTICON}$`, 'u');
const EMOJI =
  /^(?:\s|\p{Extended_Pictographic}|\p{Emoji_Modifier}|[\ufe0e\ufe0f])+|(?:\s|\p{Extended_Pictographic}|\p{Emoji_Modifier}|[\ufe0e\ufe0f])+$/gu;

/** Without the politeness and the emoji at both ends, as long as something is left. */
export function withoutCourtesy(text: string): string {
  const next = [EMOJI, EMOTICON_AFTER, BEFORE, AFTER]
    .map((beside) => text.replace(beside, ''))
    .map((each) => each.replace(/[\s.,;:!?…！。]+$/u, '').trim())
    .find((each) => each !== '' && each.length < text.length);
  return next === undefined ? text : withoutCourtesy(next);
}

const DIGIT_WORDS = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'];
const BESIDE_CODE =
  /\b(?:the|my|a|is|it’s|its|it|here|here’s|code|pin|confirmation|number|confirm|yes|yep|ok|okay|please|pls|send|do|go|ahead|thanks|and)\b/gu;

/** The digits of a code, alone or with the words that people put round one; spoken ones too. */
export function codeIn(plain: string): string | undefined {
  const text = plain.normalize('NFKC').replaceAll("'", '’');
  // A whole message of digits is a code or a slip, never work for an agent.
  const alone = text.replace(/^#/, '');
  if (/^\d(?:[ -]?\d){2,7}$/.test(alone)) return alone.replace(/\D/g, '');
  if (text.length > 60) return undefined;
  const rest = text
    .replace(BESIDE_CODE, ' ')
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
  const digits = /^[\d ]+$/.test(rest) ? rest.replaceAll(' ', '') : '';
  if (digits.length === 4) return digits;
  const spoken = rest.split(' ').map((word) => DIGIT_WORDS.indexOf(word === 'oh' ? 'zero' : word));
  return spoken.length === 4 && spoken.every((digit) => digit >= 0) ? spoken.join('') : undefined;
}
