/** What people say to somebody who is there, in lower case and without the marks round it: no work, and nothing to pay for. */

const words = (list: string): ReadonlySet<string> => new Set(list.split('|'));

/** All words are of the second list, and one is of the first. */
export const talkOf = (core: string, beside: string) => {
  const [wanted, all] = [words(core), words(`${core}|${beside}`)];
  return (said: readonly string[]): boolean =>
    said.length <= 14 && said.every((word) => all.has(word)) && said.some((word) => wanted.has(word));
};

const isGreeting = talkOf(
  'hi|hii|g’day|wassup|wazzup|hello|helo|hallo|hallöchen|hey|heya|heyy|hiya|yo|sup|howdy|greetings|gm|morning|afternoon|evening|day|hola|buenas|buenos|bom|boa|olá|ola|oi|ciao|salut|bonjour|bonsoir|buongiorno|guten|moin|servus|grüezi|grüß|hej|hei|ahoj|cześć|namaste|merhaba|selam|привет|здравствуйте|你好|こんにちは|안녕하세요|안녕',
  'good|there|you|u|ya|bot|my|dear|friend|mate|man|bro|partner|buddy|pal|all|everyone|everybody|again|nice|to|meet|how|are|r|is|it|going|doing|today|things|everything|i|am|i’m|im|back|here|still|anybody|anyone|ok|okay|can|do|hear|me|what’s|whats|up|días|dias|tardes|noches|dia|tarde|noite|tag|morgen|abend|gott|zusammen|a|todos|amigo|mein|freund|que|qué|tal|tudo|bem|wie|geht’s|gehts',
);
const isThanks = talkOf(
  'thanks|thank|thankyou|thx|tx|tks|ty|tysm|cheers|danke|dankeschön|dank|merci|gracias|obrigado|obrigada|grazie|valeu|tack|kiitos|teşekkürler|спасибо|dzięki|谢谢|ありがとう|감사합니다',
  'you|u|so|very|much|a|lot|appreciate|appreciated|helpful|today|love|really|bunch|ton|many|again|bot|man|mate|buddy|friend|my|dear|for|that|that’s|thats|this|it|is|was|the|your|help|helping|work|job|all|everything|time|quick|fast|reply|answer|response|me|to|i|oh|ok|okay|great|nice|good|cool|perfect|awesome|amazing|excellent|well|done|but|and|in|advance|bye|schön|sehr|vielen|muchas|mil|muito|muchísimas|beaucoup|mille|bien',
);
const isPraise = talkOf(
  'great|nice|cool|perfect|awesome|amazing|excellent|brilliant|fantastic|wonderful|superb|super|lovely|sweet|neat|wow|good|well|lol|haha|hehe|genial|génial|perfecto|ótimo|perfeito|perfekt|klasse|prima|toll|parfait|geil|bravo|bueno|muy',
  'you|you’re|youre|are|so|very|bot|man|mate|that|that’s|thats|this|it|it’s|its|is|was|looks|look|sounds|seems|your|work|job|one|all|really|pretty|just|absolutely|to|me|done|oh|ah|ok|okay|yes|yeah|stuff|thing|bien|sehr|echt',
);
/** `is this good?` asks. */
const ASKS = /^(?:is|are|was|does|looks it)\b/u;

const GREETINGS = words(
  'hru|anybody here|anyone here|anyone|anybody|who is this|who’s this|whos this|who dis|are you a bot|are you a robot|are you human|are you real|are you an ai|what’s your name|whats your name|what is your name|i’m back|im back|i am back|back|i’m here|i am here|im here|it’s me|its me|i’m new here|im new here|i am new here|how are you|how are u|how r u|how are you doing|how are things|how do you do|how have you been|wie geht’s|wie gehts|wie geht es dir|cómo estás|como estas|qué tal|que tal|tudo bem|tudo bom|como vai|ça va|ca va|comment ça va|come va|come stai|you ok|u ok|are you ok|are you there|you there|u there|anybody there|anyone there|anybody home|anyone home|still there|are you still there|are you alive|are you awake|are you online|are you up|can you hear me|do you hear me|do you read me|is this on|is this thing on|knock knock|ahoy|yo yo|pong|beep|buenos días|buen día',
);
/** Somebody tries whether anybody is there. `test the login` and `run the tests` are work. */
const TRIES =
  /^(?:(?:this|it) is |it’s |just |only |a |an |quick |small |little |1 2 3 )*(?:test|testing|tst|testtest|teste|prueba|mic check)(?: (?:please|ignore|test|testing|message|msg|dm|1|2|3|12|123|1234|one|two|three|ok|okay|only|bot|nachricht))*$/u;

const HOLDS = words(
  'wait|wait a minute|wait a sec|wait a second|wait a moment|wait a bit|wait please|please wait|hold on|hold on a sec|hang on|one sec|one second|one moment|just a moment|just a sec|just a second|just a minute|give me a sec|give me a moment|not now|not yet|moment|warte|warte mal|einen moment|moment mal|espera|espere|espera un momento|un momento|um momento|momento|attends|attendez|aspetta',
);

const COURTESIES = words(
  'sry|ah ok|oh ok|hm ok|hmm ok|ah i see|oh i see|aha|ahh|uh huh|mhm|it’s fine|its fine|it’s ok|its ok|that’s fine|thats fine|that is fine|no it’s ok|no its ok|no it’s fine|nah it’s fine|nah its fine|ignore|ignore it|ignore this|ignore that|please ignore|ignore my last message|ignore the last message|ignore my message|disregard|disregard that|many thanks|nice one|well done|gn|good night|bye|bye bye|goodbye|good bye|see you|see ya|cya|quit|exit|logout|lmao|rofl|xd|ha|hm|hmm|hmmm|oh|ah|oops|ups|sorry|my bad|wrong chat|wrong window|wrong person|np|no problem|no worries|brb|afk|love it|i like it|i love it|all good|lgtm|sleep well|see you later|see you tomorrow|later|ttyl|take care|have a nice day|have a good day|have a good night|have a nice weekend|good luck|welcome|you’re welcome|youre welcome|i see|i understand|got it|gotcha|understood|makes sense|that makes sense|sounds good|fair enough|noted|alright|all right|alrighty|roger|roger that|copy that|will do|interesting|omg|oh no|damn|wtf|ugh|meh|i’m fine|im fine|fine thanks|me too|true|indeed|exactly|congrats|congratulations|happy birthday|merry christmas|happy new year|gute nacht|buenas noches|boa noite|bonne nuit|tschüss|tschüß|bis später|bis dann|bis morgen|adiós|adios|chau|tchau|hasta luego|até logo|au revoir|à bientôt|arrivederci|genau|alles klar|alles gut|passt|verstanden|entendido|de acuerdo|d’accord|ça marche|beleza|tá bom|ta bom|está bien|esta bien|tranquilo|va bene|bien|listo|entschuldigung|perdón|perdon|desculpa|désolé|kein problem|de nada',
);
/** Nothing but emoji, whichever: nobody is paid to guess what they ask for. */
const ONLY_EMOJI =
  /^(?=.*[\p{Extended_Pictographic}\p{Regional_Indicator}])(?:[\p{Extended_Pictographic}\p{Emoji_Modifier}\p{Regional_Indicator}\s]|\u200d|\ufe0e|\ufe0f)+$/u;
/** `:)`, `:-D`, `<3`, `^^`, in lower case. */
export const EMOTICON = String.raw`(?:[:;=]['’]?-?[()\[\]dpo3|/\\*]+|<3+|\^_*\^)`;
const ONLY_EMOTICONS = new RegExp(`^${EMOTICON}(?:\\s+${EMOTICON})*$`, 'u');
/** A shrug, a table that flies: no word in it. */
const KAOMOJI = /^(?=.*[ツ°ಠᴥʕ益•])[¯\\_(ツ)/\s╯°□︵┻━ಠ益ᵔᴥ•ʕʔづ｡◕‿]+$/u;

export type SmallTalk =
  /** Thanks, good night, a heart. */
  | 'courtesy'
  /** Hello, or a try whether anybody is there. */
  | 'greeting'
  /** Wait: perhaps what runs is meant. */
  | 'hold';

/** @param said lower case, ’ for ', without marks at its ends */
export function smallTalk(said: string): SmallTalk | undefined {
  if (COURTESIES.has(said) || ONLY_EMOJI.test(said) || ONLY_EMOTICONS.test(said) || KAOMOJI.test(said))
    return 'courtesy';
  if (HOLDS.has(said)) return 'hold';
  if (GREETINGS.has(said) || TRIES.test(said)) return 'greeting';
  const each = said.split(/[^\p{L}\p{N}\p{M}’]+/u).filter((word) => word !== '');
  if (isGreeting(each)) return 'greeting';
  return isThanks(each) || (isPraise(each) && !ASKS.test(said)) ? 'courtesy' : undefined;
}

const REFERS = words(
  'why|why not|why so|how|how so|how come|when|where|which|which one|who|what|what’s this|whats this|what is this|what’s that|whats that|what is that|what do you mean|huh|eh|hä|and|and now|and then|and|so|so what|then|next|what now|now what|what next|whats next|what’s next|more|again|once again|once more|one more time|one more|try again|try it again|try that again|do it again|do that again|same again|the same|go on|go ahead|go|go for it|do it|do that|please do|proceed|keep going|carry on|keep on|let’s go|lets go|yes do it|ok do it|weiter|mach weiter|weitermachen|nochmal|noch mal|noch einmal|nochmals|mehr|und|warum|wieso|weshalb|was|wie|sigue|continúa|otra vez|más|por qué|y|qué|de novo|outra vez|mais|por que|encore|pourquoi|et|quoi',
);
/** The answer to a question that was asked just now, or nothing. */
const ANSWERS = words('done|ready|i’m ready|im ready|finished|fertig|bereit|terminado|pronto|fini');
const NUMBER = /^[#(]?\d{1,2}(?:[.):]|\s?%)?$|^100\s?%$/;

/** What a message means by what stands before it: `session`: anything said in the session; `last`: the last answer alone. */
export type RefersTo = 'session' | 'last';

/** Words that mean nothing by themselves: `why?`, `again`, `2`. */
export function refersTo(said: string): RefersTo | undefined {
  if (REFERS.has(said)) return 'session';
  // `2️⃣`
  return ANSWERS.has(said) || NUMBER.test(said.replace(/[\ufe0f\u20e3]/g, '')) ? 'last' : undefined;
}

/** `1000 sats`, `2k`: what for, it does not say. */
export const isAmountAlone = (said: string): boolean =>
  /^(?:[₿⚡]\s?)?\d[\d.,_ ]*(?:k|(?:k\s?)?\s?(?:sats?|satoshis?|⚡))$/u.test(said);
