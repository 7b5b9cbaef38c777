// A stand-in for a namespace of Azure Service Bus that takes messages over its REST API. Connection strings and tokens are judged by
// Microsoft's own libraries: the token must be, to the letter, the one that @azure/core-amqp makes for the same resource and end.
//
//   node servicebus.mjs CONNECTION_STRING QUEUE [NODE_MODULES]
//
// Its first line of output is {url}; each message makes another, {status, reason, duplicate, messageId, label, contentType, properties,
// body}. The process ends when its standard input does.
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [connection, queue, modules = new URL("node_modules", import.meta.url).pathname] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(createRequire(import.meta.url).resolve(resolve(modules, name))));
const { createSasTokenProvider } = (await load("@azure/core-amqp")).default;
const { parseServiceBusConnectionString } = (await load("@azure/service-bus")).default;
const known = parseServiceBusConnectionString(connection);
const seen = new Set(); // of a queue with duplicate detection

// Headers of HTTP itself and of the request, which are no properties of the message.
const reserved = ["host", "user-agent", "content-length", "content-type", "authorization", "brokerproperties", "connection", "accept-encoding"];

async function refused(request) {
  const token = request.headers.authorization ?? "";
  const fields = new URLSearchParams(token.replace(/^SharedAccessSignature /, ""));
  const end = Number(fields.get("se"));
  if (!token.startsWith("SharedAccessSignature ") || !(end > Date.now() / 1000) || end > Date.now() / 1000 + 86400) {
    return "ExpiredToken: The token is expired or lives too long";
  }
  const entity = `https://${known.fullyQualifiedNamespace}${new URL(request.url, "http://x").pathname.replace(/\/messages$/, "")}`;
  if (fields.get("sr") !== entity) {
    return "InvalidAudience: The authorization header contains a token with a wrong audience";
  }
  const clock = Date.now;
  Date.now = () => (end - 3600) * 1000; // for which the library makes a token that ends then
  try {
    const provider = createSasTokenProvider({ sharedAccessKeyName: known.sharedAccessKeyName, sharedAccessKey: known.sharedAccessKey });
    return (await provider.getToken(entity)).token === token ? "" : "40103: Invalid authorization token signature";
  } finally {
    Date.now = clock;
  }
}

function properties(raw) {
  const found = {};
  for (let i = 0; i < raw.length; i += 2) {
    if (!reserved.includes(raw[i].toLowerCase())) found[raw[i]] = JSON.parse(raw[i + 1]); // quoted, or no text
  }
  return found;
}

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const answer = (status, reason, more = {}) => {
    console.log(JSON.stringify({ status, reason, ...more }));
    response.writeHead(status, { "Content-Type": "application/xml" });
    response.end(reason && `<Error><Code>${status}</Code><Detail>${reason}. TrackingId:1_G1</Detail></Error>`);
  };
  try {
    const { pathname, searchParams } = new URL(request.url, "http://x");
    if (request.headers.host !== known.fullyQualifiedNamespace) return answer(400, "another namespace");
    const reason = await refused(request);
    if (reason) return answer(401, reason);
    if (request.method === "GET") return answer(401, "Authorization failed for specified action: Manage,EntityRead");
    if (pathname !== `/${queue}/messages` || searchParams.get("api-version") !== "2015-01") return answer(404, "40400: Endpoint not found");
    const { MessageId: messageId, Label: label } = JSON.parse(request.headers.brokerproperties);
    const duplicate = seen.has(messageId);
    seen.add(messageId);
    answer(201, "", {
      duplicate, messageId, label, contentType: request.headers["content-type"],
      properties: properties(request.rawHeaders), body: Buffer.concat(chunks).toString(),
    });
  } catch (error) {
    answer(400, `${error}`);
  }
});
server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ url: `http://127.0.0.1:${server.address().port}` })));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
