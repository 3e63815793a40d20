/** A frame of an event stream that grew beyond all bounds. */
class EventTooLargeError extends Error {
  override readonly name = 'EventTooLargeError';
}

/** Cuts a stream of bytes into whole events, whatever the pieces it comes in; line ends of any of the three kinds. */
export type EventSplitter = {
  /** The events that are complete now, without the empty line that ends them. @throws EventTooLargeError */
  readonly push: (bytes: Uint8Array) => readonly string[];
  /** What is left when the stream ends: an event that nothing ended. */
  readonly rest: () => string;
};

const boundary = /\r\n\r\n|\n\n|\r\r/g;

export function createEventSplitter(maxLength: number): EventSplitter {
  const decoder = new TextDecoder();
  let buffer = '';
  return {
    push: (bytes) => {
      // What was searched already holds no end, save for one that began in its last three characters.
      boundary.lastIndex = Math.max(0, buffer.length - 3);
      buffer += decoder.decode(bytes, { stream: true });
      const events: string[] = [];
      let from = 0;
      for (let match = boundary.exec(buffer); match; match = boundary.exec(buffer)) {
        events.push(buffer.slice(from, match.index));
        from = boundary.lastIndex;
      }
      buffer = buffer.slice(from);
      if (buffer.length > maxLength) throw new EventTooLargeError('an event of the stream is too large');
      return events;
    },
    rest: () => (buffer + decoder.decode()).trim(),
  };
}

/** The data of an event, its lines joined; undefined for a comment or a heartbeat. */
export function eventData(event: string): string | undefined {
  if (event.startsWith('data: ') && !/[\r\n]/.test(event)) return event.slice(6);
  const lines = event
    .split(/\r\n|\n|\r/)
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice(line.startsWith('data: ') ? 6 : 5));
  return lines.length === 0 ? undefined : lines.join('\n');
}
