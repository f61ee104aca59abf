#!lua
-- Write all of it, or nothing if a condition does not hold. Without the flag allow-oom the server refuses
-- the whole script when its memory is full, before anything is written.
--
-- KEYS: meta, keys, rows, done, undo
-- ARGV: incarnation, number of the commit, how long it is remembered (ms), channel, dataset, expected keys,
--       expected values ('0': none, '1…': this), leases that have ended, how many lists of deletes follow,
--       these lists, lists of puts (key, value, key, …)
-- Returns {1 if written, version}.
local meta, keys, rows, done, undo = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
if redis.call('HGET', meta, 'incarnation') ~= ARGV[1] then
    return redis.error_reply('CATENARYGONE')
end
if redis.call('ZSCORE', done, ARGV[2]) then
    return {1, tonumber(redis.call('HGET', meta, 'version'))}
end
local expected, values = cmsgpack.unpack(ARGV[6]), cmsgpack.unpack(ARGV[7])
for at, key in ipairs(expected) do
    local held = redis.call('HGET', rows, key)
    if (held and '1' .. held or '0') ~= values[at] then
        return {0, tonumber(redis.call('HGET', meta, 'version'))}
    end
end

local version = redis.call('HINCRBY', meta, 'version', 1)
local ended = cmsgpack.unpack(ARGV[8])
if #ended > 0 then
    redis.call('HDEL', meta, unpack(ended))
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- The oldest snapshot that is still read decides what is kept of what was replaced.
local kept, oldest = nil, nil
local held = redis.call('HGETALL', meta)
for at = 1, #held, 2 do
    if held[at] == 'kept' then
        kept = tonumber(held[at + 1])
    elseif string.sub(held[at], 1, 6) == 'lease:' then
        local of, deadline = string.match(held[at + 1], '(%d+):(%d+)')
        if tonumber(deadline) < now then
            redis.call('HDEL', meta, held[at])
        elseif not oldest or tonumber(of) < oldest then
            oldest = tonumber(of)
        end
    end
end
local from = oldest or version
for gone = kept + 1, from do
    for list = 1, tonumber(redis.call('HGET', undo, gone) or 0) do
        redis.call('HDEL', undo, gone .. ':' .. list)
    end
    redis.call('HDEL', undo, gone)
end
if from > kept then
    redis.call('HSET', meta, 'kept', from)
end

local deletes = tonumber(ARGV[9])
if oldest then
    -- Before anything changes: a key may be deleted and put.
    for list = 10, #ARGV do
        local some = cmsgpack.unpack(ARGV[list])
        if list > 9 + deletes then
            local own = {}
            for at = 1, #some, 2 do
                own[(at + 1) / 2] = some[at]
            end
            some = own
        end
        local before = redis.call('HMGET', rows, unpack(some))
        local replaced = {}
        for at, key in ipairs(some) do
            replaced[2 * at - 1] = key
            replaced[2 * at] = before[at] and '1' .. before[at] or '0'
        end
        redis.call('HSET', undo, version .. ':' .. (list - 9), cmsgpack.pack(replaced))
    end
    redis.call('HSET', undo, version, #ARGV - 9)
end
for list = 10, 9 + deletes do
    local some = cmsgpack.unpack(ARGV[list])
    redis.call('HDEL', rows, unpack(some))
    redis.call('ZREM', keys, unpack(some))
end
for list = 10 + deletes, #ARGV do
    local some = cmsgpack.unpack(ARGV[list])
    redis.call('HSET', rows, unpack(some))
    for at = 2, #some, 2 do
        some[at] = some[at - 1]
        some[at - 1] = 0
    end
    redis.call('ZADD', keys, unpack(some))
end
redis.call('ZADD', done, now, ARGV[2])
redis.call('ZREMRANGEBYSCORE', done, '-inf', now - ARGV[3])
redis.call('PUBLISH', ARGV[4], version .. ' ' .. ARGV[5])
return {1, version}
