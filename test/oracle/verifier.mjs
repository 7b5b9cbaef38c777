// A verifier of access tokens that nobody of Hermod wrote the judgement of: it finds
// the keys by the issuer's metadata and verifies with the library jose.
//
//   node verifier.mjs ISSUER AUDIENCE [NODE_MODULES]
//
// Each line of input is {token, now}, now in seconds; each line of output its verdict,
// {ok, kid, claims, error}. The process ends when its standard input does.
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [issuer, audience, modules = new URL("node_modules", import.meta.url).pathname] = process.argv.slice(2);
const jose = await import(pathToFileURL(createRequire(import.meta.url).resolve(resolve(modules, "jose"))));
const metadata = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json();
const keys = jose.createRemoteJWKSet(new URL(metadata.jwks_uri));

for await (const line of createInterface({ input: process.stdin })) {
  const { token, now } = JSON.parse(line);
  try {
    const { payload, protectedHeader } = await jose.jwtVerify(token, keys, {
      issuer: metadata.issuer,
      audience,
      typ: "at+jwt",
      requiredClaims: ["exp", "nbf", "iat", "jti", "client_id", "account_id"],
      currentDate: new Date(now * 1000),
    });
    console.log(JSON.stringify({ ok: true, kid: protectedHeader.kid, claims: payload }));
  } catch (error) {
    console.log(JSON.stringify({ ok: false, error: `${error.code} ${error.message}` }));
  }
}
