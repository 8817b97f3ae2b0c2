// A provider of models for tests: it answers as the APIs of Anthropic and OpenAI do, in streams, and notes each request.
// First it asks for a command, which writes a file in the workspace, and then it is done.
const https = require("https"), fs = require("fs");
const command = "echo made by the agent >made.txt && cat made.txt";
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

const files = { key: fs.readFileSync("/certificates/leaf.key"), cert: fs.readFileSync("/certificates/leaf.crt") };
https.createServer(files, (question, answer) => {
  let text = "";
  question.on("data", (part) => (text += part)).on("end", () => {
    const { "x-api-key": key, authorization } = question.headers;
    console.log(JSON.stringify({ method: question.method, url: question.url, key, authorization, text: text.slice(0, 1 << 20) }));
    const path = question.url.split("?")[0];
    if (path === "/v1/messages") return anthropic(JSON.parse(text), answer);
    if (path === "/v1/responses" && question.method === "POST") return openai(JSON.parse(text), answer);
    answer.statusCode = 404;
    answer.end("{}");
  });
}).listen(443, process.argv[1], () => console.log("ready"));
