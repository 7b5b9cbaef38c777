// An issuer of access tokens that nobody of Hermod wrote: the library jose makes the
// keys, the key set and the tokens.
//
//   node issuer.mjs ISSUER AUDIENCE ACCOUNT [NODE_MODULES]
//
// It prints one line, {jwks, tokens}: the URL of the keys, and a token for each
// algorithm, with scopes as an array for RS256 and as text for the others. The process
// ends when its standard input does.
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [issuer, audience, account, modules = new URL("node_modules", import.meta.url).pathname] = process.argv.slice(2);
const jose = await import(pathToFileURL(createRequire(import.meta.url).resolve(resolve(modules, "jose"))));

const set = { keys: [] };
const tokens = {};
for (const alg of ["RS256", "PS256", "ES256"]) {
  const { publicKey, privateKey } = await jose.generateKeyPair(alg, { extractable: true });
  const jwk = await jose.exportJWK(publicKey);
  const kid = await jose.calculateJwkThumbprint(jwk);
  set.keys.push({ ...jwk, kid, alg, use: "sig" });
  const scopes = ["signicat-api", "openid"];
  tokens[alg] = await new jose.SignJWT({ client_id: "jose", account_id: account, scope: alg === "RS256" ? scopes : scopes.join(" ") })
    .setProtectedHeader({ alg, kid, typ: "at+jwt" })
    .setIssuer(issuer)
    .setAudience(audience)
    .setIssuedAt()
    .setNotBefore("0s")
    .setExpirationTime("5m")
    .sign(privateKey);
}
const server = createServer((_, response) => {
  response.writeHead(200, { "Content-Type": "application/jwk-set+json" }).end(JSON.stringify(set));
});
server.listen(0, "127.0.0.1", () => {
  console.log(JSON.stringify({ jwks: `http://127.0.0.1:${server.address().port}/jwks`, tokens }));
});
process.stdin.resume().on("end", () => process.exit(0));
