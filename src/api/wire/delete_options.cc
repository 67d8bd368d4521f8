#include "api/wire/delete_options.h"

#include <fmt/format.h>

#include <minikube/api/meta/v1.h>
#include <minikube/codec.h>

#include "api/wire/negotiate.h"
#include "api/wire/proto_wire.h"

namespace minikube::api {
namespace {

Status Invalid(std::string_view field, std::string_view why) {
  StatusDetails details;
  details.group = "meta.k8s.io";
  details.kind = "DeleteOptions";
  details.causes.push_back({"FieldValueInvalid", std::string(why), std::string(field)});
  return {Code::kInvalid, fmt::format("DeleteOptions.meta.k8s.io \"\" is invalid: {}: {}", field, why),
          std::move(details)};
}

Status SetPropagation(std::string_view policy, ApiRequest& request) {
  if (policy.empty()) return {};
  if (policy == "Orphan") {
    request.propagation = Propagation::kOrphan;
  } else if (policy == "Background") {
    request.propagation = Propagation::kBackground;
  } else if (policy == "Foreground") {
    request.propagation = Propagation::kForeground;
  } else {
    return Invalid("propagationPolicy", fmt::format("Unsupported value: \"{}\": supported values: \"Background\", "
                                                    "\"Foreground\", \"Orphan\"",
                                                    policy));
  }
  return {};
}

Status FromQuery(const Query& query, ApiRequest& request) {
  const Result<std::optional<std::int64_t>> grace = query.GetInt("gracePeriodSeconds");
  if (!grace) return grace.status();
  request.grace_period_seconds = *grace;
  if (query.Has("orphanDependents")) {
    request.propagation = query.GetBool("orphanDependents") ? Propagation::kOrphan : Propagation::kBackground;
  }
  return SetPropagation(query.Get("propagationPolicy"), request);
}

// The message comes under the apiVersion of whatever group is being deleted from, which the decoder of whole objects
// would take for an unknown kind: so the bare message is read here.
Result<meta::v1::DeleteOptions> Decode(MediaType type, std::string_view body) {
  meta::v1::DeleteOptions options;
  if (type == MediaType::kProtobuf) {
    const Result<std::string_view> raw = OpenEnvelope(body);
    if (!raw) return raw.status();
    MINIKUBE_RETURN_IF_ERROR(ReadDeleteOptionsMessage(*raw, options));
    return options;
  }
  std::string json;
  if (type == MediaType::kYaml) {
    Result<std::string> converted = YamlToJson(body);
    if (!converted) return converted.status();
    json = *std::move(converted);
    body = json;
  }
  MINIKUBE_RETURN_IF_ERROR(DecodeJsonMessage(DescriptorOf<meta::v1::DeleteOptions>(), body, &options));
  return options;
}

}  // namespace

Status ReadDeleteOptions(const Query& query, std::string_view content_type, std::string_view body,
                         ApiRequest& request) {
  if (body.empty()) {
    MINIKUBE_RETURN_IF_ERROR(FromQuery(query, request));
  } else {
    const Result<MediaType> type = BodyType(content_type);
    if (!type) return type.status();
    const Result<meta::v1::DeleteOptions> options = Decode(*type, body);
    if (!options) return options.status().WithContext("error decoding DeleteOptions");
    request.grace_period_seconds = options->gracePeriodSeconds;
    for (const Str& value : options->dryRun) {
      if (value != "All")
        return Invalid("dryRun", fmt::format("Unsupported value: \"{}\": supported values: \"All\"", value.view()));
      request.dry_run = true;
    }
    if (options->orphanDependents && options->propagationPolicy) {
      return Invalid("propagationPolicy", "orphanDependents and propagationPolicy cannot be both set");
    }
    if (options->orphanDependents) {
      request.propagation = *options->orphanDependents ? Propagation::kOrphan : Propagation::kBackground;
    }
    if (options->propagationPolicy) MINIKUBE_RETURN_IF_ERROR(SetPropagation(*options->propagationPolicy, request));
    if (options->preconditions) {
      if (options->preconditions->uid) request.precondition_uid = options->preconditions->uid->str();
      if (options->preconditions->resourceVersion) {
        request.precondition_resource_version = options->preconditions->resourceVersion->str();
      }
    }
  }
  if (request.grace_period_seconds && *request.grace_period_seconds < 0) request.grace_period_seconds = 1;
  return {};
}

}  // namespace minikube::api
