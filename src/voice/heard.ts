import { withoutSecretKeys } from '../keys/secret-keys.ts';

/** What models write where nobody speaks: they were trained on films with subtitles. Lower case, letters alone. */
const INVENTED = new Set(
  [
    'you',
    'thank you',
    'thank you very much',
    'thank you so much',
    'thanks',
    'bye',
    'bye bye',
    'the end',
    'thanks for watching',
    'thank you for watching',
    'thank you so much for watching',
    'thanks for listening',
    'please subscribe',
    'please subscribe to my channel',
    'like and subscribe',
    'dont forget to like and subscribe',
    'see you next time',
    'see you in the next video',
    'ill see you in the next video',
    'vielen dank',
    'vielen dank fürs zuschauen',
    'danke fürs zuschauen',
    'bis zum nächsten mal',
    'gracias',
    'gracias por ver el video',
    'merci',
    'merci davoir regardé cette vidéo',
    'obrigado',
    'obrigado por assistir',
    'grazie',
    'grazie per la visione',
    'продолжение следует',
    'спасибо за просмотр',
    'ご視聴ありがとうございました',
    '谢谢大家',
    '谢谢观看',
    '请不吝点赞订阅转发打赏支持明镜与点点栏目',
    '시청해주셔서 감사합니다',
  ].map((line) => line.normalize('NFKC')),
);

/** Who made the subtitles. */
const SUBTITLED =
  /amara\.?\s?org|^\W*(?:subtitles|captions|transcription|transcribed|untertitel(?:ung)?|sous-titr(?:es|age)|legendas|sottotitoli|субтитры|字幕)\s*(?:by|von|der|des|im auftrag|par|de|pela|e revisione|сделал|由|:)?/iu;

/** `[BLANK_AUDIO]`, `(music)`, `*sighs*`, `♪ … ♪`. */
const NO_SPEECH = /\[[^\]]{0,60}\]|\([^)]{0,60}\)|\*[^*\n]{1,60}\*|♪[^♪]*♪|[♪♫🎵🎶]+/gu;

/** Control characters, what turns the direction of a text, what can't be seen. */
const UNSPEAKABLE = /[\p{Cc}\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/gu;

const words = new Intl.Segmenter(undefined, { granularity: 'word' });
const wordsOf = (text: string): readonly string[] =>
  [...words.segment(text)].flatMap(({ segment, isWordLike }) => (isWordLike === true ? [segment] : []));

/**
 * What was said, of what a service wrote down: in one line, with nothing in it that a terminal or a phone obeys, and without
 * the words of a wallet. undefined: nothing that a person said.
 */
export function heardIn(text: string): string | undefined {
  const line = text
    .toWellFormed()
    .replace(UNSPEAKABLE, ' ')
    .replace(/\s+/gu, ' ')
    .trim()
    // A mark of a command can't be spoken, nor that of a budget.
    .replace(/^[!！/\s]+/u, '')
    .replace(/([!！])[!！]+/gu, '$1');
  const said = line.replace(NO_SPEECH, ' ').replace(/\s+/gu, ' ').trim();
  const plain = wordsOf(said.toLowerCase().replace(/['’]/g, ''));
  if (plain.length === 0) return undefined;
  const together = plain.join(' ').normalize('NFKC');
  const isInvented =
    INVENTED.has(together) ||
    INVENTED.has(together.replaceAll(' ', '')) ||
    (SUBTITLED.test(said) && plain.length < 7);
  return isInvented || isLoop(plain) ? undefined : withoutSecretKeys(line);
}

/** `you you you you`, `Thank you. Thank you. Thank you.`: one thing and nothing else, over and over. */
function isLoop(plain: readonly string[]): boolean {
  for (let period = 1; period <= 8 && period * 3 <= plain.length; period++) {
    const one = plain.slice(0, period).join(' ');
    if (plain.length < 6 && !INVENTED.has(one)) continue;
    if (plain.every((word, at) => word === plain[at % period])) return true;
  }
  return false;
}

/** One word may be anything: a cough, a part of another sentence. */
export const isTooShort = (said: string): boolean => wordsOf(said).length < 2;
