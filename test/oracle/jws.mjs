// A verifier of detached JWS that nobody of Hermod wrote the judgement of: the library
// jose reads the published keys and verifies.
//
//   node jws.mjs JWKS-URL [NODE_MODULES]
//
// Each line of input is {jws, body}, the body in base64; each line of output its
// verdict, {ok, header, error}. The process ends when its standard input does.
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [jwks, modules = new URL("node_modules", import.meta.url).pathname] = process.argv.slice(2);
const jose = await import(pathToFileURL(createRequire(import.meta.url).resolve(resolve(modules, "jose"))));
const keys = jose.createRemoteJWKSet(new URL(jwks), { cooldownDuration: 0 });

for await (const line of createInterface({ input: process.stdin })) {
  const { jws, body } = JSON.parse(line);
  try {
    const [header, payload, signature] = jws.split(".");
    if (payload !== "") throw new Error("the JWS is not detached");
    const whole = [header, jose.base64url.encode(Buffer.from(body, "base64")), signature].join(".");
    const { protectedHeader } = await jose.compactVerify(whole, keys, { algorithms: ["PS256"] });
    console.log(JSON.stringify({ ok: true, header: protectedHeader }));
  } catch (error) {
    console.log(JSON.stringify({ ok: false, error: `${error.code} ${error.message}` }));
  }
}
