import { EMOTICON, type SmallTalk, smallTalk, talkOf } from './small-talk.ts';

/** What people say in place of a command's own words, or to answer, in lower case and without the marks round it. */

const words = (list: string): ReadonlySet<string> => new Set(list.split('|'));

const YES = words(
  'y|ye|yes|yess|yesss|yes sir|yep|yup|jup|jep|yeah|yea|ya|yah|aye|ok|oke|oké|okay|okey|okey dokey|okeydokey|ok do|k|kk|sure|sure thing|of course|confirm|confirmed|agreed|approve|approved|correct|fine|ja|jo|joo|jawohl|klar|oui|ouais|sí|si|claro|vale|sim|certo|da|да|так|tak|ano|áno|evet|igen|kyllä|ναι|نعم|بله|हाँ|हां|はい|うん|是|是的|好|好的|可以|对|對|네|예|응|ใช่|vâng|hai|ndiyo|👍|✅|👌|💯',
);
const NO = words(
  'n|no|leave it|let it be|not needed|not needed anymore|no need|no longer needed|noo|nooo|nope|nah|no way|never|decline|declined|deny|reject|rejected|never mind|nevermind|never mind, forget it|nvm|forget it|forget about it|nein|nee|nö|ne|non|não|nao|нет|ні|nie|net|nej|nei|ei|hayır|hayir|nem|όχι|لا|نه|नहीं|いいえ|不|不是|不要|不行|否|아니요|아니|ไม่|không|tidak|hapana|👎|❌|🚫',
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
    stop: 'stopp es|stoppen|anhalten|aufhören|aufhoeren|hör auf|abbrechen|abbruch|arrête|arrete|arrêter|arrête ça|annuler|alto|para|para ya|ya para|pare|parar|páralo|detente|detener|cancelar|cancela|basta|ferma|annulla|pause|pausa|pause it|quit it|end it|end the run|stop ✋|стоп|止めて|やめて|停|停止|🛑|⏹|⏸|⛔|stop what you are doing|stop what you’re doing|kill it',
    spend: 'how much did i spend|how much have i spent|what did i spend|my spending|spending|costs so far',
    'provider models':
      'price|prices|pricing|price list|cost|costs|how much does it cost|how much does this cost|how much does a task cost|how much is a task|what does it cost|what does a task cost|how expensive is it|how expensive are you|how much do you cost|how much do you charge',
    queue:
      'tasks|my tasks|list tasks|show tasks|show my tasks|jobs|my jobs|list jobs|what is running|what’s running|whats running|anything running|is anything running|is something running|what’s in the queue|whats in the queue|what is in the queue|what is waiting|what’s waiting',
    'help wallet withdraw':
      'cash out|how do i withdraw|how can i withdraw|send me my sats|send me my money|give me my money back|give me my sats back|give my money back|refund me|money back',
    'wallet withdraw all': 'withdraw everything',
    undo: 'undo it|undo that|undo this|undo last|undo the last|undo your changes|undo the changes|revert that|revert it',
    redo: 'redo it|redo that',
    diff: 'show diff|show the diff|show me the diff|what changed|what has changed|show changes|show the changes|show me the changes',
    'stop all': 'stopall|kill all',
    'queue drop all': 'queue clear|clear queue|empty queue|drop all|empty the queue|clear the queue',
    help: 'commands|menu|start|halp|hlp|helpme|getting started|settings|config|configuration|setup|options|usage|instructions|manual|tutorial|faq|about|help -h|-h|hilfe|ayuda|aide|ajuda|aiuto|help me|help me out|i need help|help me please|can i get help|what can you do|what can you do for me|what can i do|what can i do here|what can i ask|what can i say|what do you do|what does this bot do|what is this bot|how do i start|how do i begin|how do i get started|how to start|how to use|how to use this|how to use it|how do i use it|how does it work|how does this bot work|how does this work|how do i use this|how do i use you|how do you work|who are you|what are you|помощь|帮助|ヘルプ',
    status:
      'info|what are you doing|what’s up|whats up|what is up|what’s going on|whats going on|what is going on|are you busy|last error|uptime|logs|update?|status update|any update|any updates|any news|any progress|progress|is it done|is it done yet|is that done|is it finished|is it ready|are you done|are you done yet|are you finished|are you ready|are you still working|still working|still running|is it running|is it still running|are you working on it|done yet|done?|finished?|ready?|fertig?|schon fertig|listo?|terminado?|pronto?|fini?|how is it going|how’s it going|hows it going|how far are you|how long does it take|how long will it take|how much longer|how much longer will it take',
    'wallet balance':
      'how much have i got|how much i have|how much can i spend|saldo|solde|guthaben|kontostand|mein guthaben|mi saldo|meu saldo|mon solde|wieviel noch|wie viel noch|wieviel ist noch da|wie viel ist noch da|wieviel geld|wie viel geld|wieviele sats|wie viele sats|cuánto queda|cuanto queda|cuánto me queda|cuanto me queda|cuánto tengo|cuanto tengo|quanto resta|quanto tenho|combien il reste|il reste combien',
    'wallet topup':
      'add funds|add money|add sats|top it up|top up my wallet|top up the wallet|topup my wallet|topup wallet|fund my wallet|fund the wallet|refill my wallet|how do i top up|invoice|an invoice|new invoice|make an invoice|give me an invoice|lightning invoice',
    'help wallet':
      'cashu|ecash|lightning|bitcoin|token|a token|cashu token|lnbc|lnurl|help money|help with money|help payment|help payments',
    new: 'new session|new chat|new conversation|start new session|start a new session|start over|start again|start fresh|start afresh|fresh start|restart|new start|reset|neue sitzung|neuer chat|nueva sesión',
  }).flatMap(([command, said]) => said.split('|').map((each) => [each, command] as const)),
);

/** `stop the run now`, `I said stop`, `can you stop what you’re doing`: nothing but what can be stopped. */
const STOP =
  /^(?:(?:no|nope|nah|ok|okay|oh|omg|wtf|damn|ugh|argh|hey|well|please|pls|just|now|wait|and|then|so|bot|i said|i say|you can|you should|you may|you must|can you|could you|would you|will you|i want you to|i need you to)[\s,.!]+)*(?:stop|stopp|stap|staph|stahp|cancel|abort|halt|(?:kill|quit|end|interrupt|terminate)(?=\s))(?:\s+(?:stop|halt|it|that|this|these|now|already|at once|right|immediately|there|here|the|a|an|my|your|last|current|one|run|runs|task|tasks|agent|agents|job|jobs|work|bot|mission|thing|process|running|working|doing|trying|on|what|whatever|you|you’re|youre|ur|u|r|are|everything|all|of|them|bitte|damit|ya|por favor|please|pls))*$/u;
const OF_ALL = /\b(?:all|everything|tasks|runs|jobs|agents|them)\b/u;

/** `what’s my balance`, `my balance`: about one of the bot's own things. */
const QUESTION =
  /^(?:(?:what(?:’s| is| are)?|whats|show(?: me)?|check|see|view|get|give me|tell me|list)\s+)?(?:(?:my|the|our|your|all|is|current)\s+)*(?=(?:wallet|balance|queue|status|sessions|models|help|commands|owners|nodes|providers|pending|mints|spend)$)/u;

/** `how many sats do I have left`: only of these words, and of money. */
const isOfMoney = talkOf(
  'money|sat|sats|satoshi|satoshis|funds|credit|credits|balance|left|remaining|remains|wallet',
  'how|much|many|do|does|can|spend|any|i|we|you|u|have|has|got|is|are|in|on|the|my|our|your|still|there|what|what’s|whats|show|me|check|see|view|get|tell|current|currently|of|available|amount|it',
);
const ABOUT_MONEY =
  /(?:^|\s)(?:money|sats?|satoshis?|funds|balance)(?:$|\s)|^how (?:much|many)\s.*(?:left|remain\w*|wallet)|\sin (?:my|the|your|our) wallet$/u;

/** `I want to add 1000 sats`, `give me an invoice for 5k`: `1` is the amount. */
const TOP_UP =
  /^(?:(?:i want to|i’d like to|i would like to|i need to|let me|how do i|how can i|can i)\s+)?(?:(?:top ?up|top-up|fund|refill|recharge|buy|(?:make|create|get|give me|send me|i want|i need)?\s*(?:an?\s+|another\s+|new\s+)?(?:lightning\s+)?invoice)|add(?=.*\b(?:sats?|satoshis?|money|funds)\b))(?:\s+(?:an?|some|more|my|the|your|for|with|of|by|to|in|into|on|wallet|it|money|funds|sats?|satoshis?|lightning|bitcoin|balance|\d[\d.,]*k?))*$/u;
const PAY = /^how (?:do|can|should) i pay(?: you| for (?:this|it))?$/u;
const AMOUNT = /(?:^|\s)(\d[\d.,]*k?(?:\s*sats?)?)(?=\s|$)/u;
/** `which models are there`, `change the model`. */
const MODELS =
  /^(?:(?:what|which|list|show|me|the|all|your|available|other|change|switch|choose|select|set|another|different|a|ai|llm|of)\s+)+models?(?:\s+(?:do|you|have|has|are|is|there|available|can|i|use|using|we|running|now|on|this|it|supported|do you support))*$|^available models$/u;
const SET_MODEL = /^(?:switch|change|set)(?: the)? model to (\S+)$/u;
/** `clear the chat`, `forget everything`, `new topic`. */
const ANEW =
  /^(?:(?:clear|reset|wipe|forget|start|begin|open)\s+)?(?:(?:a|the|this|our|my)\s+)?(?:(?:new|fresh|another)\s+)?(?:chat|session|history|conversation|context|memory|topic|thread)$|^new task$|^start new$|^cls$|^(?:forget|reset|clear) (?:everything|all)$/u;

/** Requests that are the bot's own business, however they are put. */
function orderIn(said: string): string | undefined {
  const model = SET_MODEL.exec(said)?.[1];
  if (model !== undefined) return `model ${model}`;
  if (TOP_UP.test(said) || PAY.test(said)) return `wallet topup ${AMOUNT.exec(said)?.[1] ?? ''}`.trim();
  if (MODELS.test(said))
    return /models|change|switch|choose|select|other|different|set\s/.test(said) ? 'models' : 'model';
  return ANEW.test(said) && /\s|^cls$/.test(said) && !/^(?:the|this|our|my|a)\s/.test(said)
    ? 'new'
    : undefined;
}

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
  if (CALLED_OFF.has(said.replace(/ (?:please|pls)$/, '')))
    return { kind: 'answer', answer: 'no', command: 'stop' };
  if (/^\?+$/.test(said)) return { kind: 'command', words: 'help' };
  const command = commandOf(said);
  if (command !== undefined) return { kind: 'command', words: command };
  const talk = smallTalk(said);
  return talk && { kind: talk };
}

function commandOf(said: string): string | undefined {
  const known = COMMANDS.get(said);
  if (known !== undefined) return known;
  if (STOP.test(said)) return OF_ALL.test(said) ? 'stop all' : 'stop';
  const meant = orderIn(said);
  if (meant !== undefined) return meant;
  const asked = said.replace(QUESTION, '');
  if (asked !== said) return asked;
  return said !== 'balance' && isOfMoney(said.split(/\s+/)) && ABOUT_MONEY.test(said)
    ? 'wallet balance'
    : undefined;
}

/** Whether somebody who was asked says yes by it. */
export const isConsent = (text: string): boolean => {
  if (text.length > 40) return false;
  const said = withoutCourtesy(text.trim().toLowerCase().replace(/[.,!]/g, '').replaceAll("'", '’'));
  // `Yes, go for it!`
  const [, first = '', rest = ''] = /^(\S+)\s+(.+)$/.exec(said) ?? [];
  return CONSENTS.has(said) || (YES.has(first) && (CONSENTS.has(rest) || YES.has(rest)));
};

const PLEASE = 'please|pls|plz|plox|bitte|por favor|s’il te plaît|s’il vous plaît|prego|onegai';
const BEFORE = new RegExp(
  `^(?:(?:${PLEASE}|hey|hi|hello|yo|ok|okay|so|and|just|now|bot|dear bot|@[\\w.-]{1,40}|can you|could you|would you)(?=[\\s,:!.]))[\\s,:!.]+`,
  'u',
);
const AFTER = new RegExp(
  `(?<![\\s,])[\\s,]+(?:${PLEASE}|thanks|thank you|thx|ty|danke|merci|gracias|now|right now|asap|bot)$`,
  'u',
);
const EMOTICON_AFTER = new RegExp(`(?<!\\s)\\s+${EMOTICON}$`, 'u');
const EMOJI =
  /^(?:\s|\p{Extended_Pictographic}|\p{Emoji_Modifier}|[\ufe0e\ufe0f])+|(?:\s|\p{Extended_Pictographic}|\p{Emoji_Modifier}|[\ufe0e\ufe0f])+$/gu;

/** Without the politeness and the emoji at both ends, as long as something is left. */
export function withoutCourtesy(text: string): string {
  // What is longer is no bare word, and each round reads all of it.
  if (text.length > 500) return text;
  const next = [EMOJI, EMOTICON_AFTER, BEFORE, AFTER]
    .map((beside) => text.replace(beside, ''))
    .map((each) => each.replace(/(?<![\s.,;:!?…！。])[\s.,;:!?…！。]+$/u, '').trim())
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
