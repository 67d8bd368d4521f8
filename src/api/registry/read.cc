// get and list.
#include <charconv>

#include <fmt/format.h>

#include <minikube/api/meta/v1.h>

#include "api/registry/read.h"
#include "api/registry/verbs.h"
#include "api/wire/errors.h"
#include "api/world/range_end.h"
#include "api/world/selection.h"
#include "api/world/served.h"

namespace minikube::api {

namespace {

constexpr std::string_view kExact = "Exact";
constexpr std::string_view kNotOlderThan = "NotOlderThan";

}  // namespace

Result<Revision> ParseRevision(std::string_view text) {
  Revision revision = 0;
  if (text.empty()) return revision;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), revision);
  if (error != std::errc() || end != text.data() + text.size() || revision < 0) {
    return Status(Code::kBadRequest,
                  fmt::format("resourceVersion: Invalid value: \"{}\": must be a number that the server gave", text));
  }
  return revision;
}

Status CheckListOptions(const ApiRequest& request) {
  const FieldPath at("resourceVersionMatch");
  const std::string& match = request.resource_version_match;
  const bool watch = request.verb == Verb::kWatch;
  ErrorList errors;
  if (watch) {
    if (request.send_initial_events && match != kNotOlderThan) {
      errors.Forbidden(at, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
    }
    if (!match.empty() && !request.send_initial_events) {
      errors.Forbidden(at, "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
    }
    if (!match.empty() && match != kNotOlderThan) errors.NotSupported(at, match, {kNotOlderThan});
  } else {
    if (!match.empty() && request.resource_version.empty()) {
      errors.Forbidden(at, "resourceVersionMatch is forbidden unless resourceVersion is provided");
    }
    if (!match.empty() && match != kExact && match != kNotOlderThan) {
      errors.NotSupported(at, match, {"", kExact, kNotOlderThan});
    }
    if (match == kExact && request.resource_version == "0") {
      errors.Forbidden(at, "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
    }
    if (request.send_initial_events) {
      errors.Forbidden(FieldPath("sendInitialEvents"), "sendInitialEvents is forbidden for list");
    }
  }
  if (!match.empty() && !request.continue_token.empty()) {
    errors.Forbidden(at, "resourceVersionMatch is forbidden when continue is provided");
  }
  return errors.ToStatus("meta.k8s.io", "ListOptions", "");
}

Status Get(Attempt& attempt) {
  const ApiRequest& request = attempt.request();
  Result<Revision> revision = ParseRevision(request.resource_version);
  if (!revision) return revision.status();
  if (*revision > attempt.world->revision) return TooLargeRevisionError(*revision, attempt.world->revision);
  const Entry* entry = attempt.world->Find(attempt.kind->index, request.ns, request.name);
  if (entry == nullptr) return NotFoundError(attempt.resource(), request.name);
  Result<ObjectRef> object = attempt.Present(entry->object);
  if (!object) return object.status();
  ApiResponse response;
  response.object = std::move(object).value();
  response.revision = attempt.world->revision;
  attempt.Answer(std::move(response));
  return {};
}

namespace {

constexpr std::string_view kExpiredToken =
    "The provided continue parameter is too old to display a consistent list result. Start a new list without the "
    "continue parameter.";

// The state of one kind at a revision that the cache has moved on from, read back from the store's history.
Result<ObjectTable> ReadBack(Attempt& attempt, Revision revision) {
  RangeOptions options;
  options.end = RangeEnd(attempt.kind->prefix);
  options.revision = revision;
  Result<RangeResult> range = attempt.core.store.Range(attempt.kind->prefix, options);
  if (!range) return range.status();
  std::vector<Entry> entries;
  entries.reserve(range->kvs.size());
  for (const KeyValue& kv : range->kvs) {
    Result<ObjectRef> object = Cache::DecodeStored(*attempt.kind, kv.value, kv.mod_revision);
    if (!object) return object.status();
    entries.push_back({std::move(object).value(), kv.mod_revision});
  }
  return ObjectTable::FromSorted(std::move(entries));
}

// Which state of the kind a list reads.
struct ListState {
  ObjectTable table;
  Revision revision = 0;
};

Result<ListState> StateAt(Attempt& attempt, Revision revision) {
  if (revision == attempt.world->revision) return ListState{attempt.world->kinds[attempt.kind->index], revision};
  if (Snapshot kept = attempt.core.pages.Find(revision, attempt.core.env.clock().MonoNow())) {
    return ListState{kept->kinds[attempt.kind->index], revision};
  }
  Result<ObjectTable> table = ReadBack(attempt, revision);
  if (!table) return table.status();
  return ListState{std::move(table).value(), revision};
}

Result<ListState> StateFor(Attempt& attempt, const PageToken* token) {
  const ApiRequest& request = attempt.request();
  if (token != nullptr) {
    Result<ListState> state = StateAt(attempt, token->revision);
    if (!state && state.status().code() == Code::kExpired) return Status(Code::kExpired, std::string(kExpiredToken));
    return state;
  }
  Result<Revision> revision = ParseRevision(request.resource_version);
  if (!revision) return revision.status();
  const std::string& match = request.resource_version_match;
  if (*revision > attempt.world->revision) return TooLargeRevisionError(*revision, attempt.world->revision);
  // Without a match, a paginated list of a given revision means exactly that one.
  if (match == kExact || (match.empty() && request.limit > 0 && *revision > 0)) return StateAt(attempt, *revision);
  return ListState{attempt.world->kinds[attempt.kind->index], attempt.world->revision};
}

}  // namespace

Status ListObjects(Attempt& attempt) {
  const ApiRequest& request = attempt.request();
  MINIKUBE_RETURN_IF_ERROR(CheckListOptions(request));
  Result<Selection> selection = Selection::Of(*attempt.kind, request);
  if (!selection) return selection.status();
  std::optional<PageToken> token;
  if (!request.continue_token.empty()) {
    if (!request.resource_version.empty() && request.resource_version != "0") {
      return {Code::kBadRequest, "specifying resource version is not allowed when using continue"};
    }
    Result<PageToken> decoded = PageToken::Decode(request.continue_token);
    if (!decoded) return decoded.status();
    token = std::move(decoded).value();
  }
  Result<ListState> state = StateFor(attempt, token ? &*token : nullptr);
  if (!state) return state.status();

  ApiResponse response;
  response.revision = state->revision;
  const std::string& ns = request.ns;
  NameKey after;
  if (token) {
    const std::string_view start = token->start;
    const std::size_t slash = start.find('/');
    after =
        slash == std::string_view::npos ? NameKey{{}, start} : NameKey{start.substr(0, slash), start.substr(slash + 1)};
  }
  Selected selected(state->table, *selection, after);
  if (!selection->filtered() && request.limit <= 0) response.items.reserve(ns.empty() ? state->table.size() : 16);
  const Object* last = nullptr;
  while (const Entry* entry = selected.Next()) {
    if (request.limit > 0 && response.items.size() == static_cast<std::size_t>(request.limit)) {
      // Another match: there is a next page, from this very state.
      const meta::v1::ObjectMeta& meta = last->meta();
      PageToken next{state->revision, meta.namespace_.empty()
                                          ? meta.name.str()
                                          : fmt::format("{}/{}", meta.namespace_.view(), meta.name.view())};
      response.continue_token = next.Encode();
      if (!selection->filtered()) {
        const EntryMap& objects = state->table.objects();
        const std::size_t end = ns.empty() ? objects.size() : objects.Rank({ns, "\x7f"});
        response.remaining = static_cast<std::int64_t>(end - objects.Rank(EntryOrder::KeyOf(*entry)));
      }
      if (state->revision == attempt.world->revision)
        attempt.core.pages.Keep(attempt.world, attempt.core.env.clock().MonoNow());
      break;
    }
    last = entry->object.get();
    Result<ObjectRef> served = InServedType(entry->object, *attempt.resource().message);
    if (!served) return served.status();
    response.items.push_back(std::move(served).value());
  }
  attempt.Answer(std::move(response));
  return {};
}

}  // namespace minikube::api
