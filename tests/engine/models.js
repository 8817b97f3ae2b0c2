// A provider of models for tests: it answers as the APIs of Anthropic and OpenAI do, in streams, and notes each request.
// First it asks for a command, which writes a file in the workspace and runs a script that is there, and then it is done.
// Under another name it is a git server, with one repository, for who has the token.
const https = require("https"), fs = require("fs"), { execFileSync, spawnSync } = require("child_process");
const command = "echo made by the agent >made.txt && cat made.txt && if [ -e task.sh ]; then sh task.sh; fi";
const send = (answer, type, data) => answer.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`);

function anthropic(body, answer) {
  const done = JSON.stringify(body.messages).includes("\"tool_result\"");
  const tools = (body.tools ?? []).map((tool) => tool.name);
  // Claude Code's and Pi's name of it.
  const shell = tools.find((name) => ["Bash", "bash"].includes(name));
  const call = !done && shell !== undefined;
  const block = call
    ? { type: "tool_use", id: "toolu_1", name: shell, input: {} }
    : { type: "text", text: "" };
  const delta = call
    ? { type: "input_json_delta", partial_json: JSON.stringify({ command, description: "make a file" }) }
    : { type: "text_delta", text: "all done" };
  const usage = { input_tokens: 1, output_tokens: 1 };
  const message = { id: "msg_1", type: "message", role: "assistant", model: body.model, content: [], stop_reason: null, usage };
  if (!body.stream) {
    answer.setHeader("content-type", "application/json");
    const content = [{ type: "text", text: "all done" }];
    return answer.end(JSON.stringify({ ...message, content, stop_reason: "end_turn" }));
  }
  answer.setHeader("content-type", "text/event-stream");
  send(answer, "message_start", { message });
  send(answer, "content_block_start", { index: 0, content_block: block });
  send(answer, "content_block_delta", { index: 0, delta });
  send(answer, "content_block_stop", { index: 0 });
  send(answer, "message_delta", { delta: { stop_reason: call ? "tool_use" : "end_turn", stop_sequence: null }, usage });
  send(answer, "message_stop", {});
  answer.end();
}

// Codex has its tools in the instructions, and runs JavaScript that calls them.
function openai(body, answer) {
  const done = body.input.some((it) => it.type === "custom_tool_call_output");
  const input = `text(await tools.exec_command(${JSON.stringify({ cmd: command })}))`;
  const item = done
    ? { type: "message", id: "msg_1", role: "assistant", content: [{ type: "output_text", text: "all done" }] }
    : { type: "custom_tool_call", id: "ctc_1", call_id: "call_1", name: "exec", namespace: "functions", input };
  const usage = { input_tokens: 1, output_tokens: 1, total_tokens: 2 };
  answer.setHeader("content-type", "text/event-stream");
  send(answer, "response.created", { response: { id: "resp_1" } });
  send(answer, "response.output_item.done", { output_index: 0, item });
  send(answer, "response.completed", { response: { id: "resp_1", usage } });
  answer.end();
}

// By git's own program for servers.
function git(question, body, answer) {
  const [path, query] = question.url.split("?");
  const token = Buffer.from(`agent:${process.env.LAB_GIT_TOKEN}`).toString("base64");
  if (question.headers.authorization !== `Basic ${token}`) {
    answer.writeHead(401, { "www-authenticate": 'Basic realm="git"' });
    return answer.end();
  }
  const env = {
    PATH: process.env.PATH, GIT_PROJECT_ROOT: "/repositories", GIT_HTTP_EXPORT_ALL: "1", REMOTE_USER: "agent", PATH_INFO: path,
    QUERY_STRING: query ?? "", REQUEST_METHOD: question.method, CONTENT_TYPE: question.headers["content-type"] ?? "",
    CONTENT_LENGTH: `${body.length}`, HTTP_CONTENT_ENCODING: question.headers["content-encoding"] ?? "",
    GIT_PROTOCOL: question.headers["git-protocol"] ?? "",
  };
  const { stdout } = spawnSync("git", ["http-backend"], { env, input: body });
  const end = stdout.indexOf("\r\n\r\n");
  for (const line of stdout.subarray(0, end).toString().split("\r\n")) {
    const [name, value] = [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()];
    if (name === "Status") answer.statusCode = parseInt(value); else answer.setHeader(name, value);
  }
  answer.end(stdout.subarray(end + 4));
}
execFileSync("git", ["init", "-q", "--bare", "-b", "main", "/repositories/team/app"]);

const files = { key: fs.readFileSync("/certificates/leaf.key"), cert: fs.readFileSync("/certificates/leaf.crt") };
https.createServer(files, (question, answer) => {
  const parts = [];
  question.on("data", (part) => parts.push(part)).on("end", () => {
    const body = Buffer.concat(parts), text = body.toString();
    if (question.headers.host === "git.example") return git(question, body, answer);
    const { "x-api-key": key, authorization } = question.headers;
    console.log(JSON.stringify({ method: question.method, url: question.url, key, authorization, text: text.slice(0, 1 << 20) }));
    const path = question.url.split("?")[0];
    if (path === "/v1/messages") return anthropic(JSON.parse(text), answer);
    if (path === "/v1/responses" && question.method === "POST") return openai(JSON.parse(text), answer);
    answer.statusCode = 404;
    answer.end("{}");
  });
}).listen(443, process.argv[1], () => console.log("ready"));
