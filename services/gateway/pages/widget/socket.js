// One socket to the notifier, and how long to wait before the next one.

const OPENING_MS = 10_000; // from dialling to the snapshot
const BACKOFF_MS = { least: 500, most: 30_000 };

class Socket {
  /** `hear` is given the frames; `down` the code when it ends by itself, or does not open in time. After close() neither is called. */
  constructor(url, hear, down) {
    const socket = new WebSocket(url);
    const over = (code) => {
      this.close();
      down(code);
    };
    const deadline = setTimeout(over, OPENING_MS);
    this.close = () => {
      clearTimeout(deadline);
      // Its end may be told a minute later, if nobody is at the other one.
      socket.onmessage = socket.onclose = null;
      socket.close();
    };
    socket.onclose = ({ code }) => over(code);
    socket.onmessage = ({ data }) => {
      clearTimeout(deadline);
      hear(JSON.parse(data));
    };
  }
}

class Backoff {
  #failures = 0;

  reset() {
    this.#failures = 0;
  }

  /** Twice as long each time; jittered, so that all who lost the same server do not come back at once. */
  nextMs() {
    return Math.min(BACKOFF_MS.least * 2 ** this.#failures++, BACKOFF_MS.most) * (0.5 + Math.random() / 2);
  }
}
