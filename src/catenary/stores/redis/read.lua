#!lua flags=allow-oom
-- Read rows as they are now, and what commits since a version replaced.
--
-- KEYS: meta, keys, rows, open
-- ARGV: incarnation, the lease's name, its length (ms), what names of undo records begin with, the version
--       after which commits are told of, then either lists of keys, or 'range', from, to, at most
-- Returns {version, undone (key, value, … per commit), keys of the range, values}.
if redis.call('HGET', KEYS[1], 'incarnation') ~= ARGV[1] then
    return redis.error_reply('CATENARYGONE')
end
local lease = redis.call('HGET', KEYS[4], ARGV[2])
if not lease then
    return redis.error_reply('CATENARYOVER')
end
local time = redis.call('TIME')
local deadline = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[3]
local of = string.match(lease, '%d+')
redis.call('HSET', KEYS[4], ARGV[2], of .. ':' .. string.format('%.0f', deadline))

local version = tonumber(redis.call('HGET', KEYS[1], 'version'))
local undone = {}
for each = ARGV[5] + 1, version do
    undone[#undone + 1] = redis.call('HGETALL', ARGV[4] .. each)
end
local keys, values = {}, {}
if ARGV[6] == 'range' then
    keys = redis.call('ZRANGEBYLEX', KEYS[2], ARGV[7], ARGV[8], 'LIMIT', 0, ARGV[9])
    if #keys > 0 then
        values[1] = redis.call('HMGET', KEYS[3], unpack(keys))
    end
else
    for list = 6, #ARGV do
        values[list - 5] = redis.call('HMGET', KEYS[3], unpack(cmsgpack.unpack(ARGV[list])))
    end
end
return {version, undone, keys, values}
