-- The health of an ImageWatch or ImageUpdatePolicy, for Argo CD; it agrees with what Flux and
-- `kubectl wait` make of the same conditions.
local health = {status = "Progressing", message = "Waiting for the operator to look at it"}
local status = obj.status
if status == nil or status.conditions == nil then
  return health
end
if status.observedGeneration ~= obj.metadata.generation then
  health.message = "Waiting for the operator to look at the last change"
  return health
end
local conditions = {}
for _, condition in ipairs(status.conditions) do
  conditions[condition.type] = condition
end
local ready = conditions.Ready
if ready == nil then
  return health
end
health.message = ready.reason .. ": " .. ready.message
if ready.status == "True" then
  health.status = "Healthy"
  if ready.reason == "Suspended" then
    health.status = "Suspended"
  end
elseif conditions.Reconciling == nil or conditions.Reconciling.status ~= "True" then
  -- Stalled, or waiting for something else to change: nothing is being tried.
  health.status = "Degraded"
end
return health
