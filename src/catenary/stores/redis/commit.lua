#!lua
-- Write all of it, or nothing if a condition does not hold. Without the flag allow-oom the server refuses
-- the whole script when its memory is full, before anything is written.
--
-- KEYS: meta, keys, rows, open, done
-- ARGV: incarnation, number of the commit, how long it is remembered (ms), what names of undo records
--       begin with, channel, dataset, expected keys, expected values ('0': none, '1…': this), leases that
--       have ended, how many lists of deletes follow, these lists, lists of puts (key, value, key, …)
-- Returns {1 if written, version}.
local meta, keys, rows, open, done = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
if redis.call('HGET', meta, 'incarnation') ~= ARGV[1] then
    return redis.error_reply('CATENARYGONE')
end
if redis.call('ZSCORE', done, ARGV[2]) then
    return {1, tonumber(redis.call('HGET', meta, 'version'))}
end
local expected, values = cmsgpack.unpack(ARGV[7]), cmsgpack.unpack(ARGV[8])
for at, key in ipairs(expected) do
    local held = redis.call('HGET', rows, key)
    if (held and '1' .. held or '0') ~= values[at] then
        return {0, tonumber(redis.call('HGET', meta, 'version'))}
    end
end

local version = redis.call('HINCRBY', meta, 'version', 1)
local ended = cmsgpack.unpack(ARGV[9])
if #ended > 0 then
    redis.call('HDEL', open, unpack(ended))
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- The oldest snapshot that is still read decides what is kept of what was replaced.
local oldest = nil
local leases = redis.call('HGETALL', open)
for at = 1, #leases, 2 do
    local of, deadline = string.match(leases[at + 1], '(%d+):(%d+)')
    if tonumber(deadline) < now then
        redis.call('HDEL', open, leases[at])
    elseif not oldest or tonumber(of) < oldest then
        oldest = tonumber(of)
    end
end
local kept = tonumber(redis.call('HGET', meta, 'kept'))
local from = oldest or version
for gone = kept + 1, from do
    redis.call('UNLINK', ARGV[4] .. gone)
end
if from > kept then
    redis.call('HSET', meta, 'kept', from)
end
local undo = oldest and ARGV[4] .. version

local function remember(some)
    local held = redis.call('HMGET', rows, unpack(some))
    local pairs_ = {}
    for at, key in ipairs(some) do
        pairs_[2 * at - 1] = key
        pairs_[2 * at] = held[at] and '1' .. held[at] or '0'
    end
    redis.call('HSET', undo, unpack(pairs_))
end

local deletes = tonumber(ARGV[10])
if undo then
    -- Before anything changes: a key may be deleted and put.
    for list = 11, #ARGV do
        local some = cmsgpack.unpack(ARGV[list])
        if list > 10 + deletes then
            local own = {}
            for at = 1, #some, 2 do
                own[(at + 1) / 2] = some[at]
            end
            some = own
        end
        remember(some)
    end
end
for list = 11, 10 + deletes do
    local some = cmsgpack.unpack(ARGV[list])
    redis.call('HDEL', rows, unpack(some))
    redis.call('ZREM', keys, unpack(some))
end
for list = 11 + deletes, #ARGV do
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
redis.call('PUBLISH', ARGV[5], version .. ' ' .. ARGV[6])
return {1, version}
