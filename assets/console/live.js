// live follows the stream of a page: one part of it a line, whenever that part
// is another now. It rests while nobody looks at the tab.

const patience = 45_000; // ms without a sign of life until the stream is opened anew

// follow calls take with each line until the function it returns is called.
// ask(url, options) is fetch with the token; lost(sentence) hears that the
// token has ended.
export function follow(url, ask, take, lost) {
  let running; // AbortController of the stream, if there is one
  let wait = 1000;
  let timer;

  async function run() {
    const own = (running = new AbortController());
    let watch;
    const alive = () => {
      clearTimeout(watch);
      watch = setTimeout(() => own.abort(), patience);
    };
    try {
      alive();
      const answer = await ask(url, { headers: { Accept: 'application/x-ndjson' }, signal: own.signal });
      if (answer.status === 401) return lost((await answer.json()).error);
      if (!answer.ok) throw new Error(answer.status);
      for await (const line of lines(answer.body)) {
        alive();
        wait = 1000;
        if (line.end) return lost(line.end);
        if (line.part) take(line);
      }
    } catch {
      // below
    } finally {
      clearTimeout(watch);
    }
    if (running !== own) return; // stopped, or another runs
    running = undefined;
    timer = setTimeout(start, wait);
    wait = Math.min(wait * 2, 30_000);
  }

  function start() {
    clearTimeout(timer);
    if (!running && !document.hidden) run();
  }
  function rest() {
    clearTimeout(timer);
    const own = running;
    running = undefined;
    own?.abort();
  }
  const look = () => (document.hidden ? rest() : start());
  document.addEventListener('visibilitychange', look);
  start();
  return () => {
    document.removeEventListener('visibilitychange', look);
    rest();
  };
}

async function* lines(body) {
  let text = '';
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const whole = (text + value).split('\n');
    text = whole.pop();
    for (const line of whole) if (line) yield JSON.parse(line);
  }
}
