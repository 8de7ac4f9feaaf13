-- wrk's script: the same request again and again; an answer that is not the upstream's counts as wrong.
wrk.method = "POST"
wrk.path = "/v1/chat/completions"
wrk.body = os.getenv("BENCHMARK_BODY")
local mark = os.getenv("BENCHMARK_MARK")
local threads = {}
wrong = 0

function setup(thread)
  table.insert(threads, thread)
end

function response(status, headers, body)
  if status ~= 200 or not body:find(mark, 1, true) then
    wrong = wrong + 1
  end
end

function done(summary, latency, requests)
  local bad = 0
  for _, thread in ipairs(threads) do
    bad = bad + thread:get("wrong")
  end
  local errors = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format('RESULT {"requests": %d, "microseconds": %d, "wrong": %d, "broken": %d}\n',
    summary.requests, summary.duration, bad, errors))
end
