// A webhook receiver that nobody of Hermod wrote the judgement of: each POST is
// verified by the library of the Standard Webhooks project, and its native
// signature, where it has one, by Node's own HMAC.
//
//   node receiver.mjs SECRET [NODE_MODULES]
//
// The first line of output is {"url"}, then one line a request: {ok, id, error,
// native}. The process ends when its standard input does.
import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const [secret, modules = new URL("node_modules", import.meta.url).pathname] = process.argv.slice(2);
const { Webhook } = createRequire(import.meta.url)(resolve(modules, "standardwebhooks"));
const webhook = secret.startsWith("whsec_")
  ? new Webhook(secret)
  : new Webhook(Buffer.from(secret), { format: "raw" });

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const line = { ok: true, id: request.headers["webhook-id"], error: "", native: null };
  try {
    webhook.verify(body.toString(), request.headers);
  } catch (error) {
    Object.assign(line, { ok: false, error: error.message });
  }
  const signature = request.headers["x-signicat-signature"];
  if (signature) line.native = signature === createHmac("sha256", secret).update(body).digest("hex");
  console.log(JSON.stringify(line));
  response.writeHead(line.ok && line.native !== false ? 204 : 401).end();
});
server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ url: `http://127.0.0.1:${server.address().port}` })));
process.stdin.resume().on("end", () => process.exit(0));
