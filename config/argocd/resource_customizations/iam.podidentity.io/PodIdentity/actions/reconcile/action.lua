-- Any new value requests a reconciliation of the identity.
local os = require("os")
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["iam.podidentity.io/requestedAt"] = os.date("!%Y-%m-%dT%H:%M:%SZ")
return obj
