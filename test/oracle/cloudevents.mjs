// A receiver of CloudEvents: each POST is read by the SDK of the CloudEvents project, in whichever mode it is, and held against the
// specification by it. What is not one is answered 400.
//
//   node cloudevents.mjs [NODE_MODULES]
//
// Its first line of output is {url}; each request makes another, {ok, error, mode, event}. The process ends when its standard input does.
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const [modules = new URL("node_modules", import.meta.url).pathname] = process.argv.slice(2);
const { HTTP } = createRequire(import.meta.url)(resolve(modules, "cloudevents"));

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const message = { headers: request.headers, body: Buffer.concat(chunks).toString() };
  const line = { ok: false, error: "", mode: request.headers["ce-id"] ? "binary" : "structured", event: null };
  try {
    if (!HTTP.isEvent(message)) throw new Error("no CloudEvent");
    const event = HTTP.toEvent(message);
    event.validate();
    Object.assign(line, { ok: true, event: event.toJSON() });
  } catch (error) {
    line.error = error.message;
  }
  console.log(JSON.stringify(line));
  response.writeHead(line.ok ? 204 : 400).end();
});
server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ url: `http://127.0.0.1:${server.address().port}` })));
process.stdin.resume().on("end", () => process.exit(0));
