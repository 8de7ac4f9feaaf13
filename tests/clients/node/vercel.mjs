// The Vercel AI SDK at a gateway, by its OpenAI-compatible, its OpenAI (Responses) and its Anthropic provider.
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

globalThis.AI_SDK_LOG_WARNINGS = false; // they go where the result goes
const baseURL = process.argv[2];
const providers = {
  compatible: createOpenAICompatible({
    name: "mesh", baseURL, apiKey: "k", supportsStructuredOutputs: true, includeUsage: true,
  })("chat"),
  responses: createOpenAI({ baseURL, apiKey: "k" }).responses("chat"),
  anthropic: createAnthropic({ baseURL, apiKey: "k" })("chat"),
};
const prompt = "How is the weather in Ulm?";
const weather = tool({
  description: "Of a city",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => (city === "Ulm" ? "sunny, 22 degrees" : "no idea"),
});
const City = z.object({ name: z.string(), people: z.number() });

const found = {};
for (const [name, model] of Object.entries(providers)) {
  const common = { model, prompt, maxRetries: 0 };
  const whole = await generateText(common);
  const stream = streamText({ ...common, onError: ({ error }) => { throw error; } });
  const texts = [];
  for await (const text of stream.textStream) texts.push(text);
  const stepped = await generateText({ ...common, tools: { weather }, stopWhen: stepCountIs(3) });
  const structured = await generateText({ ...common, output: Output.object({ schema: City }) });
  found[name] = {
    text: whole.text,
    tokens: whole.usage.totalTokens,
    finish: whole.finishReason,
    texts,
    streamed_tokens: (await stream.usage).totalTokens,
    steps: stepped.steps.length,
    call: stepped.steps[0].toolCalls.map((call) => [call.toolName, call.input]),
    after: stepped.text,
    structured: structured.output,
  };
}
console.log(JSON.stringify(found));
