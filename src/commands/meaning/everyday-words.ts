import { EMOTICON, type SmallTalk, smallTalk, talkOf } from './small-talk.ts';

/** What people say in place of a command's own words, or to answer, in lower case and without the marks round it. */

const words = (list: string): ReadonlySet<string> => new Set(list.split('|'));

const YES = words(
  'y|ye|yes|yess|yesss|yep|yup|yeah|yea|ya|yah|aye|ok|oke|oké|okay|okey|okey dokey|k|kk|sure|sure thing|of course|confirm|confirmed|agreed|approve|approved|correct|fine|ja|jo|joo|jawohl|klar|oui|ouais|sí|si|claro|vale|sim|certo|da|да|так|tak|ano|áno|evet|igen|kyllä|ναι|نعم|بله|हाँ|हां|はい|うん|是|是的|好|好的|可以|对|對|네|예|응|ใช่|vâng|hai|ndiyo|👍|✅|👌|💯',
);
const NO = words(
  'n|no|noo|nooo|nope|nah|no way|never|decline|declined|deny|reject|rejected|never mind|nevermind|never mind, forget it|nvm|forget it|forget about it|nein|nee|nö|ne|non|não|nao|нет|ні|nie|net|nej|nei|ei|hayır|hayir|nem|όχι|لا|نه|नहीं|いいえ|不|不是|不要|不行|否|아니요|아니|ไม่|không|tidak|hapana|👎|❌|🚫',
);
/** `no, don’t do that` */
const DONTS =
  /^(?:(?:no|nope|please)[ ,]+)*(?:don’t|dont|do not|never)(?: ever)?(?: do)?(?: that| it| this)?$/u;
/** While a code waits, a no; else what runs is meant. */
const CALLED_OFF = words('cancel that|cancel this|cancel it|call it off|abort that|abort it|✋|🤚|🖐');
/** Said to an agent it is work; while a code waits, it is a yes. */
const CONSENTS = words(
  'do it|do that|go|go ahead|go for it|go on|proceed|pay|pay it|send it|move it|confirm it|confirm that|let’s go|lets go|yes do it|yes pay|yes send it|ok do it|ok go|please do',
);
/** Bare words that everybody tries, beside the commands' own. */
const COMMANDS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    stop: 'no stop|no, stop|wait stop|wait, stop|abort|cancel|halt|stopp|stopp es|stoppen|anhalten|aufhören|aufhoeren|hör auf|abbrechen|abbruch|arrête|arrete|arrêter|arrête ça|annuler|alto|para|pare|parar|páralo|detente|detener|cancelar|cancela|basta|ferma|annulla|pause|pausa|pause it|quit it|end it|end the run|stop ✋|стоп|止めて|やめて|停|停止|🛑|⏹|⏸|⛔|stop what you are doing|stop what you’re doing|kill it',
    'stop all': 'stop all|stop everything|stopall|cancel all|cancel everything|abort all|kill all',
    'queue drop all': 'queue clear|clear queue|empty queue|drop all|empty the queue|clear the queue',
    help: 'commands|menu|start|getting started|settings|config|configuration|setup|options|usage|instructions|manual|tutorial|faq|about|help -h|-h|hilfe|ayuda|aide|ajuda|aiuto|help me|help me out|i need help|help me please|can i get help|what can you do|what can you do for me|what can i do|what can i do here|what can i ask|what can i say|what do you do|what does this bot do|what is this bot|how do i start|how do i begin|how do i get started|how to start|how to use|how to use this|how to use it|how do i use it|how does it work|how does this bot work|how does this work|how do i use this|how do i use you|how do you work|who are you|what are you|помощь|帮助|ヘルプ',
    status:
      'info|what are you doing|what’s up|whats up|what is up|what’s going on|whats going on|what is going on|are you busy|update|status update|any update|any updates|any news|any progress|progress|is it done|is it done yet|is that done|is it finished|is it ready|are you done|are you done yet|are you finished|are you ready|are you still working|still working|still running|is it running|is it still running|are you working on it|done yet|done?|finished?|ready?|fertig?|schon fertig|listo?|terminado?|pronto?|fini?|how is it going|how’s it going|hows it going|how far are you|how long does it take|how long will it take|how much longer|how much longer will it take',
    'wallet balance':
      'saldo|solde|guthaben|kontostand|mein guthaben|mi saldo|meu saldo|mon solde|wieviel noch|wie viel noch|wieviel ist noch da|wie viel ist noch da|wieviel geld|wie viel geld|wieviele sats|wie viele sats|cuánto queda|cuanto queda|cuánto me queda|cuanto me queda|cuánto tengo|cuanto tengo|quanto resta|quanto tenho|combien il reste|il reste combien',
    'wallet topup':
      'add funds|add money|add sats|top it up|top up my wallet|top up the wallet|topup my wallet|topup wallet|fund my wallet|fund the wallet|refill my wallet|how do i top up|invoice|an invoice|new invoice|make an invoice|give me an invoice|lightning invoice',
    'help wallet':
      'cashu|ecash|lightning|bitcoin|token|a token|cashu token|lnbc|lnurl|help money|help with money|help payment|help payments',
    new: 'new session|new chat|new conversation|start new session|start a new session|start over|start again|start fresh|start afresh|fresh start|restart|new start|reset|neue sitzung|neuer chat|nueva sesión',
  }).flatMap(([command, said]) => said.split('|').map((each) => [each, command] as const)),
);

/** `stop the run now`: nothing but what can be stopped. */
const STOP =
  /^(?:stop|stopp|cancel|abort|halt|kill|quit|end|interrupt|terminate)(?:\s+(?:stop|halt|it|that|this|now|right now|immediately|there|here|running|working|the|a|my|run|task|agent|job|work|bot|current|one))+$/u;
/** `what’s my balance`, `my balance`: about one of the bot's own things. */
const QUESTION =
  /^(?:(?:what(?:’s| is| are)?|whats|show(?: me)?|check|see|view|get|give me|tell me|list)\s+)?(?:(?:my|the|our|your|all|is|current)\s+)*(?=(?:wallet|balance|queue|status|sessions|models|help|commands|owners|nodes|providers|pending|mints|spend)$)/u;

/** `how many sats do I have left`: only of these words, and of money. */
const isOfMoney = talkOf(
  'money|sat|sats|satoshi|satoshis|funds|credit|credits|balance|left|remaining|remains|wallet',
  'how|much|many|do|does|i|we|you|u|have|has|got|is|are|in|on|the|my|our|your|still|there|what|what’s|whats|show|me|check|see|view|get|tell|current|currently|of|available|amount|it',
);
const ABOUT_MONEY =
  /(?:^|\s)(?:money|sats?|satoshis?|funds|credits?|balance)(?:$|\s)|^how (?:much|many)\s.*(?:left|remain\w*|wallet)/u;

/** What a message of these words alone stands for. undefined: it may be anything. */
export type Everyday =
  /** `command`: what it is while nothing waits for an answer. */
  | { readonly kind: 'answer'; readonly answer: 'yes' | 'no'; readonly command?: string }
  | { readonly kind: SmallTalk }
  /** The words of a command, perhaps with what it takes. */
  | { readonly kind: 'command'; readonly words: string };

/** @param plain lower case, without marks at its ends */
export function everydayMeaning(plain: string): Everyday | undefined {
  const said = plain
    .replaceAll("'", '’')
    // hiii, nooo, stoppp
    .replace(/(\p{L})\1{2,}/gu, '$1')
    // 👍🏽, 👍👍👍
    .replace(/\p{Emoji_Modifier}|[\ufe0e\ufe0f]/gu, '')
    .replace(/^(\p{Extended_Pictographic})\1+$/u, '$1');
  if (YES.has(said)) return { kind: 'answer', answer: 'yes' };
  if (NO.has(said) || DONTS.test(said)) return { kind: 'answer', answer: 'no' };
  if (CALLED_OFF.has(said)) return { kind: 'answer', answer: 'no', command: 'stop' };
  if (/^\?+$/.test(said)) return { kind: 'command', words: 'help' };
  const command = commandOf(said);
  if (command !== undefined) return { kind: 'command', words: command };
  const talk = smallTalk(said);
  return talk && { kind: talk };
}

function commandOf(said: string): string | undefined {
  const known = COMMANDS.get(said);
  if (known !== undefined) return known;
  if (STOP.test(said)) return 'stop';
  const asked = said.replace(QUESTION, '');
  if (asked !== said) return asked;
  return said !== 'balance' && isOfMoney(said.split(/\s+/)) && ABOUT_MONEY.test(said)
    ? 'wallet balance'
    : undefined;
}

/** Whether somebody who was asked says yes by it. */
export const isConsent = (text: string): boolean =>
  text.length <= 40 &&
  CONSENTS.has(withoutCourtesy(text.trim().toLowerCase().replace(/[.,!]/g, '').replaceAll("'", '’')));

const PLEASE = 'please|pls|plz|plox|bitte|por favor|s’il te plaît|s’il vous plaît|prego|onegai';
const BEFORE = new RegExp(
  `^(?:(?:${PLEASE}|hey|hi|hello|yo|ok|okay|so|and|just|now|bot|dear bot|@[\\w.-]{1,40}|can you|could you|would you)(?=[\\s,:!.]))[\\s,:!.]+`,
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
