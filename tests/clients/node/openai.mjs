// openai-node at a gateway: prints what it got as JSON.
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: "k", maxRetries: 0, timeout: 20000 });
const messages = [{ role: "user", content: "How is the weather in Ulm?" }];
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const tools = [{ type: "function", function: { name: "weather", parameters } }];
const model = "chat";

const whole = await client.chat.completions.create({ model, messages });

const texts = [];
let usage = null;
const stream = await client.chat.completions.create({
  model, messages, stream: true, stream_options: { include_usage: true },
});
for await (const chunk of stream) {
  for (const choice of chunk.choices) if (choice.delta.content) texts.push(choice.delta.content);
  usage = chunk.usage ?? usage;
}

const call = (await client.chat.completions.create({ model, messages, tools })).choices[0];
const streamed = await client.chat.completions.stream({ model, messages, tools }).finalChatCompletion();
const result = { role: "tool", tool_call_id: call.message.tool_calls[0].id, content: "sunny, 22 degrees" };
const after = await client.chat.completions.create({ model, messages: [...messages, call.message, result], tools });

const City = z.object({ name: z.string(), people: z.number() });
const parsed = await client.chat.completions.parse({ model, messages, response_format: zodResponseFormat(City, "city") });

const response = await client.responses.create({ model, input: "How is the weather in Ulm?" });
let refused = null;
try {
  await client.chat.completions.create({ model: "nobody", messages });
} catch (error) {
  refused = { kind: error.constructor.name, code: error.code };
}

console.log(JSON.stringify({
  text: whole.choices[0].message.content,
  tokens: whole.usage.total_tokens,
  texts,
  streamed_tokens: usage.total_tokens,
  call: call.message.tool_calls[0].function,
  finish: call.finish_reason,
  streamed_call: streamed.choices[0].message.tool_calls[0].function,
  after: after.choices[0].message.content,
  parsed: parsed.choices[0].message.parsed,
  response: response.output_text,
  refused,
}));
