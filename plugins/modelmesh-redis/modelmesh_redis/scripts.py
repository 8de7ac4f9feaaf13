"""The Lua that Redis runs: each script is one atomic step. Times are Redis' own."""

from __future__ import annotations

_NOW = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6
"""

VERSION = """
redis.call('SET', KEYS[1], ARGV[1], 'NX')
return redis.call('GET', KEYS[1])
"""

SAVE = (
    _NOW
    + """
redis.call('HSET', KEYS[1], 'data', ARGV[2], 'sha256', ARGV[3], 'size', #ARGV[2],
    'modified_at', string.format('%.6f', now))
redis.call('ZADD', KEYS[2], 0, ARGV[1])
"""
)

DELETE = """
redis.call('ZREM', KEYS[2], ARGV[1])
return redis.call('DEL', KEYS[1])
"""

ACQUIRE = """
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""

RELEASE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""

RENEW = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""

ADD = """
for place = 2, #ARGV, 2 do
    redis.call('HINCRBY', KEYS[1], ARGV[place], ARGV[place + 1])
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return redis.call('HGETALL', KEYS[1])
"""

TRANSACT = (
    _NOW
    + """
-- What LedgerBook.apply does, over these keys:
--   KEYS[1]          sorted set: owner -> until when it lives
--   KEYS[2]          hash: owner -> its last sequence
--   KEYS[3]          hash: reservation -> [owner, [requests, tokens, nanos], [[key, slot, passing], ...]]
--   KEYS[4] .. key   hash of one counter: '<slot>:<place>' -> amount; places 1 to 3 are used, 4 to 6 held
-- A number of Lua is exact up to 2^53. Amounts are therefore added by HINCRBY, which is exact up to 2^63, and written
-- by string.format, because tostring and cjson round at 14 digits.
local owner, sequence, hold, retention = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local operations = cjson.decode(ARGV[5])
local counters, changed, answers = {}, {}, {}

local function text(number) return string.format('%.0f', number) end

local function slots_of(key)
    local slots = counters[key]
    if slots then return slots end
    slots = {}
    local fields = redis.call('HGETALL', KEYS[4] .. key)
    for at = 1, #fields, 2 do
        local slot, place = string.match(fields[at], '^(-?%d+):(%d)$')
        slot = tonumber(slot)
        if not slots[slot] then slots[slot] = {0, 0, 0, 0, 0, 0} end
        slots[slot][tonumber(place)] = tonumber(fields[at + 1])
    end
    counters[key] = slots
    return slots
end

local function add(key, slot, amounts, first, sign, oldest)
    local slots, name = slots_of(key), text(slot)
    if not slots[slot] then
        slots[slot] = {0, 0, 0, 0, 0, 0}
        redis.call('HSET', KEYS[4] .. key, name .. ':1', 0)
    end
    for place = 1, 3 do
        if amounts[place] ~= 0 then
            local more = sign * amounts[place]
            slots[slot][first + place] = slots[slot][first + place] + more
            redis.call('HINCRBY', KEYS[4] .. key, name .. ':' .. (first + place), text(more))
        end
    end
    changed[key] = true
    if not oldest then return end
    local old = {}
    for found, sums in pairs(slots) do
        if found < oldest and sums[4] == 0 and sums[5] == 0 and sums[6] == 0 then old[#old + 1] = found end
    end
    for _, found in ipairs(old) do
        slots[found] = nil
        local gone = text(found)
        redis.call('HDEL', KEYS[4] .. key,
            gone .. ':1', gone .. ':2', gone .. ':3', gone .. ':4', gone .. ':5', gone .. ':6')
    end
end

-- A line is {key, slot, since, horizon, oldest, passing, limit, limit, limit}; a limit of false is none.
local function totals_of(line)
    local slots, slot = slots_of(line[1]), line[2]
    for found in pairs(slots) do
        if found <= line[4] and found > slot then slot = found end
    end
    local since, sums = line[3] + slot - line[2], {0, 0, 0, 0, 0, 0}
    for found, amounts in pairs(slots) do
        if since <= found and found <= slot then
            for place = 1, 6 do sums[place] = sums[place] + amounts[place] end
        end
    end
    return slot, sums
end

local function answer(lines, refused, measure)
    answers[#answers + 1] = (refused or -1) .. ' ' .. (measure or 0)
    for _, line in ipairs(lines) do
        local slot, sums = totals_of(line)
        answers[#answers + 1] = string.format('%.0f %.0f %.0f %.0f %.0f %.0f %.0f', slot, unpack(sums))
    end
end

local function finish(id, record)
    local held = cjson.decode(record)
    redis.call('HDEL', KEYS[3], id)
    for _, place in ipairs(held[3]) do add(place[1], place[2], held[2], 3, -1) end
    return held[3]
end

local function passed(line, sums, amounts)
    for place = 1, 3 do
        local limit, more = line[6 + place], amounts[place]
        if limit and (more ~= 0 or place == 2) and sums[place] + sums[3 + place] + more > limit then
            return place
        end
    end
end

local function reserve(id, amounts, lines)
    local places = {}
    for number, line in ipairs(lines) do
        local slot, sums = totals_of(line)
        local measure = passed(line, sums, amounts)
        if measure then return answer(lines, number - 1, measure) end
        places[number] = slot
    end
    local written = {}
    for number, line in ipairs(lines) do
        add(line[1], places[number], amounts, 3, 1, line[5])
        written[number] = '[' .. cjson.encode(line[1]) .. ',' .. text(places[number]) .. ',' .. line[6] .. ']'
    end
    redis.call('HSET', KEYS[3], id, string.format('[%s,[%.0f,%.0f,%.0f],[%s]]',
        cjson.encode(owner), amounts[1], amounts[2], amounts[3], table.concat(written, ',')))
    return answer(lines)
end

local function settle(id, amounts, lines)
    local record = redis.call('HGET', KEYS[3], id)
    if record then
        for _, place in ipairs(finish(id, record)) do
            if place[3] == 0 then add(place[1], place[2], amounts, 0, 1) end
        end
    else
        for _, line in ipairs(lines) do
            if line[6] == 0 then
                local slot = totals_of(line)
                add(line[1], slot, amounts, 0, 1, line[5])
            end
        end
    end
    return answer(lines)
end

local function correct(amounts, lines)
    local slot, sums = totals_of(lines[1])
    local missing = {}
    for place = 1, 3 do missing[place] = math.max(0, amounts[place] - sums[place]) end
    add(lines[1][1], slot, missing, 0, 1, lines[1][5])
    return answer(lines)
end

local last = tonumber(redis.call('HGET', KEYS[2], owner) or '0')
redis.call('ZADD', KEYS[1], string.format('%.6f', now + hold), owner)
redis.call('HSET', KEYS[2], owner, text(math.max(last, sequence)))
if sequence <= last then
    for _, operation in ipairs(operations) do
        local kind, id, _, lines = unpack(operation)
        if kind == 'reserve' and redis.call('HEXISTS', KEYS[3], id) == 0 then
            answer(lines, 0, 1)
        else
            answer(lines)
        end
    end
    return table.concat(answers, ' ')
end
for _, operation in ipairs(operations) do
    local kind, id, amounts, lines = unpack(operation)
    if kind == 'reserve' then reserve(id, amounts, lines)
    elseif kind == 'settle' then settle(id, amounts, lines)
    elseif kind == 'correct' then correct(amounts, lines)
    else answer(lines) end
end
local dead, is_dead = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.6f', now)), {}
for _, name in ipairs(dead) do is_dead[name] = true end
if #dead > 0 then
    local all = redis.call('HGETALL', KEYS[3])
    for at = 1, #all, 2 do
        if is_dead[cjson.decode(all[at + 1])[1]] then finish(all[at], all[at + 1]) end
    end
    redis.call('ZREM', KEYS[1], unpack(dead))
    redis.call('HDEL', KEYS[2], unpack(dead))
end
for key in pairs(changed) do redis.call('PEXPIRE', KEYS[4] .. key, retention) end
return table.concat(answers, ' ')
"""
)
