// A stand-in for Google that takes messages over Pub/Sub's REST API. What it gets is judged by Google's own libraries: the token of a
// service account by google-auth-library, a publish by the generated types of @google-cloud/pubsub, which must give it back as it was.
// Requests of tokens for what Hermod asserts must be, to the letter, those that google-auth-library makes of a configuration for the
// same provider; the assertion itself is verified by jose, against the keys that the issuer publishes.
//
//   node pubsub.mjs CERTIFICATES PROVIDER ACCOUNT ISSUER [NODE_MODULES]
//
// CERTIFICATES is a JSON object of certificates in PEM by their key's id. The first line of output is {url}; each request makes another,
// {path, status, reason, ...}. The process ends when its standard input does.
import { deepStrictEqual } from "node:assert";
import { writeFileSync, mkdtempSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [certificates, provider, account, issuer, modules = new URL("node_modules", import.meta.url).pathname] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(createRequire(import.meta.url).resolve(resolve(modules, name))));
const { OAuth2Client, ExternalAccountClient } = (await load("google-auth-library")).default;
const { google } = (await load("@google-cloud/pubsub/build/protos/protos.js")).default;
const { createRemoteJWKSet, jwtVerify } = await load("jose");

const accountToken = "ya29.account";
const federatedToken = "ya29.federated";

// The token of a service account: signed by its key, for this API alone.
async function verifyAccount(token) {
  const { payload } = JSON.parse(`{"payload":${Buffer.from(token.split(".")[1], "base64url")}}`);
  const ticket = await new OAuth2Client().verifySignedJwtWithCertsAsync(
    token, JSON.parse(certificates), "https://pubsub.googleapis.com/", [payload.iss], 3600);
  const { iss, sub, iat, exp } = ticket.getPayload();
  deepStrictEqual(Object.keys(payload).sort(), ["aud", "exp", "iat", "iss", "sub"]);
  deepStrictEqual([sub, exp - iat], [iss, 3600]);
}

// A publish: the generated types know all that is in it.
function readPublish(body) {
  const { PublishRequest } = google.pubsub.v1;
  deepStrictEqual(PublishRequest.verify(PublishRequest.fromObject(body)), null);
  const known = PublishRequest.toObject(PublishRequest.fromObject(body), { bytes: String });
  deepStrictEqual(JSON.parse(JSON.stringify(known)), body);
  return body.messages.map((m) => ({ ...m, data: Buffer.from(m.data, "base64").toString() }));
}

// The requests that google-auth-library makes of the same assertion.
async function referenceOf(assertion, impersonate) {
  const made = [];
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    made.push({ url: request.url, type: request.headers["content-type"], authorization: request.headers.authorization, body: Buffer.concat(chunks).toString() });
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify({
      access_token: federatedToken, accessToken: accountToken, expires_in: 3600, issued_token_type: "urn:ietf:params:oauth:token-type:access_token",
      token_type: "Bearer", expireTime: new Date(Date.now() + 3600e3).toISOString(),
    }));
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  const base = `http://127.0.0.1:${server.address().port}`;
  const file = join(mkdtempSync(join(tmpdir(), "assertion-")), "token");
  writeFileSync(file, assertion);
  const client = ExternalAccountClient.fromJSON({
    type: "external_account", audience: provider, subject_token_type: "urn:ietf:params:oauth:token-type:jwt", token_url: `${base}/v1/token`,
    credential_source: { file }, ...(impersonate && { service_account_impersonation_url: `${base}/v1/projects/-/serviceAccounts/${account}:generateAccessToken` }),
  });
  client.scopes = ["https://www.googleapis.com/auth/pubsub"];
  await client.getAccessToken();
  server.close();
  return made;
}

const parameters = (body) => Object.fromEntries([...new URLSearchParams(body)].sort());

async function exchange(request, body) {
  const form = parameters(body);
  const jwks = createRemoteJWKSet(new URL(`${issuer}/.well-known/openid-configuration/jwks`));
  const { payload, protectedHeader } = await jwtVerify(form.subject_token, jwks, {
    issuer, audience: `https:${provider}`, typ: "JWT", algorithms: ["RS256"], maxTokenAge: "1 minute", requiredClaims: ["sub", "exp", "jti"],
  });
  if (payload.exp - payload.iat > 600) throw new Error("it lives too long");
  const [reference] = await referenceOf(form.subject_token, form.scope.endsWith("cloud-platform"));
  deepStrictEqual(form, parameters(reference.body));
  deepStrictEqual(request.headers["content-type"].split(";")[0], reference.type.split(";")[0]);
  return { assertion: { header: protectedHeader, payload } };
}

async function impersonate(request, body) {
  const [, reference] = await referenceOf("assertion", true);
  deepStrictEqual(request.url, reference.url);
  deepStrictEqual(request.headers.authorization, `Bearer ${federatedToken}`);
  deepStrictEqual(JSON.parse(body), { ...JSON.parse(reference.body), lifetime: "3600s" });
}

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks).toString();
  const answer = (status, reason, more = {}, content = {}) => {
    console.log(JSON.stringify({ path: request.url, status, reason, ...more }));
    response.writeHead(status, { "Content-Type": "application/json" });
    response.end(JSON.stringify(reason ? { error: { code: status, message: reason, status: "UNAUTHENTICATED" } } : content));
  };
  try {
    if (request.headers.host === "sts.googleapis.com") {
      return answer(200, "", await exchange(request, body), { access_token: federatedToken, expires_in: 3599, token_type: "Bearer" });
    }
    if (request.headers.host === "iamcredentials.googleapis.com") {
      await impersonate(request, body);
      return answer(200, "", {}, { accessToken: accountToken, expireTime: new Date(Date.now() + 3600e3).toISOString() });
    }
    const token = request.headers.authorization.replace(/^Bearer /, "");
    if (token !== accountToken && token !== federatedToken) await verifyAccount(token);
    if (!request.url.endsWith(":publish")) return answer(200, "", {}, { permissions: JSON.parse(body).permissions });
    const messages = readPublish(JSON.parse(body));
    return answer(200, "", { messages }, { messageIds: messages.map((_, i) => `${i}`) });
  } catch (error) {
    answer(401, `${error}`);
  }
});
server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ url: `http://127.0.0.1:${server.address().port}` })));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
