// A webhook receiver that nobody of Hermod wrote the judgement of: each POST is
// verified by the library of the Standard Webhooks project, and its native
// signature, where it has one, by Node's own HMAC. Where the secret is a public key
// (whpk_), the v1a signatures are verified by Node's own ed25519: that library has none.
//
//   node receiver.mjs SECRET [NODE_MODULES]
//
// The first line of output is {"url"}, then one line a request: {ok, id, error,
// native}. The process ends when its standard input does.
import { createHmac, createPublicKey, verify } from "node:crypto";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const [secret, modules = new URL("node_modules", import.meta.url).pathname] = process.argv.slice(2);
const { Webhook } = createRequire(import.meta.url)(resolve(modules, "standardwebhooks"));
const webhook = secret.startsWith("whpk_")
  ? keyPair(Buffer.from(secret.slice("whpk_".length), "base64"))
  : secret.startsWith("whsec_")
    ? new Webhook(secret)
    : new Webhook(Buffer.from(secret), { format: "raw" });

// keyPair verifies by a public key, in the way that the library verifies by a secret.
function keyPair(raw) {
  const key = createPublicKey({ format: "jwk", key: { kty: "OKP", crv: "Ed25519", x: raw.toString("base64url") } });
  return {
    verify(body, headers) {
      const at = Number(headers["webhook-timestamp"]);
      if (!(Math.abs(Date.now() / 1000 - at) < 300)) throw new Error("the timestamp is out of tolerance");
      const content = Buffer.from(`${headers["webhook-id"]}.${at}.${body}`);
      const signatures = (headers["webhook-signature"] ?? "").split(" ").filter((s) => s.startsWith("v1a,"));
      if (!signatures.some((s) => verify(null, content, key, Buffer.from(s.slice("v1a,".length), "base64")))) {
        throw new Error("no signature matches");
      }
    },
  };
}

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
