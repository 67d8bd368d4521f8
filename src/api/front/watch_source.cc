#include "api/front/watch_source.h"

#include <array>
#include <atomic>
#include <chrono>

#include <fmt/format.h>

#include <minikube/codec.h>

#include "api/table/table.h"
#include "api/wire/json_text.h"
#include "api/wire/proto_wire.h"
#include "api/wire/reply.h"

namespace minikube::api {
namespace {

std::string_view EventName(WatchEvent::Type type) {
  switch (type) {
    case WatchEvent::Type::kAdded:
      return "ADDED";
    case WatchEvent::Type::kModified:
      return "MODIFIED";
    case WatchEvent::Type::kDeleted:
      return "DELETED";
    case WatchEvent::Type::kBookmark:
      return "BOOKMARK";
  }
  return "";
}

class WatchSource final : public BodySource {
 public:
  WatchSource(const Route& route, std::unique_ptr<WatchStream> stream, std::shared_ptr<Signal> signal, Duration timeout,
              Strand& timers, const Clock& clock)
      : resource_(*route.request.resource),
        accepted_(route.accepted),
        include_(route.include_object),
        stream_(std::move(stream)),
        signal_(std::move(signal)),
        clock_(clock),
        timers_(timers),
        expired_(std::make_shared<std::atomic<bool>>(false)) {
    // Everything that the bytes of an event depend on, beside the event.
    for (std::size_t type = 0; type < forms_.size(); ++type) {
      forms_[type] =
          fmt::format("{} {} {} {} {} {}", static_cast<int>(accepted_.type), static_cast<int>(accepted_.transform),
                      accepted_.transform_version, static_cast<int>(include_), resource_.version, type);
    }
    timer_ = timers_.After(timeout, [expired = expired_, signal = signal_] {
      expired->store(true);
      signal->Notify();
    });
  }

  ~WatchSource() override { timers_.Cancel(timer_); }

  std::shared_ptr<Signal> signal() override { return signal_; }

  State Pull(std::size_t want, std::string& out) override {
    const std::size_t until = out.size() + want;
    for (;;) {
      for (; at_ < items_.size(); ++at_) {
        if (out.size() >= until) return State::kMore;
        AppendItem(items_[at_], out);
        items_[at_].change.reset();
      }
      items_.clear();
      at_ = 0;
      if (ended_ || expired_->load()) return State::kDone;
      Status end;
      items_ = stream_->Take(end);
      if (!end.ok()) {
        ended_ = true;
        end_ = std::move(end);
      }
      if (!items_.empty()) continue;
      if (!ended_) return State::kWait;
      // A client that asks again from where it was needs no error; one that must list anew does.
      if (end_.code() != Code::kTimeout && end_.code() != Code::kUnavailable && end_.code() != Code::kCancelled) {
        AppendErrorFrame(accepted_.type, end_, out);
      }
      return State::kDone;
    }
  }

 private:
  void AppendItem(const WatchItem& item, std::string& out) {
    const std::string_view event = EventName(item.type);
    if (item.change == nullptr) return AppendWatchFrame(accepted_.type, event, Bookmark(item), out);
    const Object& object = *item.change->object();
    const auto make = [&](std::string& frame) { AppendWatchFrame(accepted_.type, event, Shown(object), frame); };
    // Nobody else wants it: it is made where it is sent from.
    if (item.change.use_count() == 1) return make(out);
    if (accepted_.transform != Transform::kTable) {
      out += item.change->InForm(forms_[static_cast<std::size_t>(item.type)], scratch_, make);
      return;
    }
    // A table tells ages: it is the same for all who get it in the same second.
    const auto second = std::chrono::duration_cast<std::chrono::seconds>(clock_.Now().time_since_epoch()).count();
    out +=
        item.change->InForm(fmt::format("{} {}", forms_[static_cast<std::size_t>(item.type)], second), scratch_, make);
  }

  // The object as this client wants it.
  std::string Shown(const Object& object) const {
    switch (accepted_.transform) {
      case Transform::kTable:
        return TableOf(&object, object.meta().resourceVersion);
      case Transform::kPartialMetadata:
      case Transform::kPartialMetadataList:
        return Partial(object);
      case Transform::kNone:
        break;
    }
    std::string out;
    Encode(accepted_.type, object, out);
    return out;
  }

  std::string TableOf(const Object* object, std::string_view resource_version) const {
    std::string json = fmt::format(
        "{{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/{}\",\"metadata\":"
        "{{\"resourceVersion\":\"{}\"}},\"columnDefinitions\":",
        accepted_.transform_version, resource_version);
    AppendTableColumns(resource_, *resource_.message, json);
    json += ",\"rows\":[";
    if (object != nullptr) {
      AppendTableRow(resource_, *object, include_, accepted_.transform_version, clock_.Now(), json);
    }
    json += "]}";
    return json;
  }

  std::string Partial(const Object& object) const {
    std::string out;
    if (accepted_.type != MediaType::kProtobuf) {
      AppendPartialMetadata(object, accepted_.transform_version, out);
      return out;
    }
    std::string metadata;
    EncodeProtobufMessage(DescriptorOf<meta::v1::ObjectMeta>(), &object.meta(), metadata);
    std::string raw;
    PutBytes(1, metadata, raw);
    PutEnvelopeHead("meta.k8s.io/" + accepted_.transform_version, "PartialObjectMetadata", raw.size(), out);
    out += raw;
    return out;
  }

  std::string Bookmark(const WatchItem& item) const {
    const std::string revision = fmt::format("{}", item.revision);
    ObjectPtr object = ObjectPtr::New(*resource_.message);
    meta::v1::ObjectMeta& meta = object->mutable_meta();
    meta.resourceVersion = revision;
    if (item.initial_events_end) meta.annotations["k8s.io/initial-events-end"] = "true";
    switch (accepted_.transform) {
      case Transform::kTable:
        return TableOf(item.initial_events_end ? object.get() : nullptr, revision);
      case Transform::kPartialMetadata:
      case Transform::kPartialMetadataList:
        return Partial(*object);
      case Transform::kNone:
        break;
    }
    std::string out;
    Encode(accepted_.type, *object, out);
    return out;
  }

  const ResourceDesc& resource_;
  const Accepted accepted_;
  const IncludeObject include_;
  const std::unique_ptr<WatchStream> stream_;
  const std::shared_ptr<Signal> signal_;
  const Clock& clock_;
  Strand& timers_;
  TimerId timer_ = 0;
  const std::shared_ptr<std::atomic<bool>> expired_;
  std::array<std::string, 4> forms_;  // the name of its frames' form, by WatchEvent::Type
  std::string scratch_;
  std::vector<WatchItem> items_;
  std::size_t at_ = 0;
  bool ended_ = false;
  Status end_;
};

}  // namespace

void AppendWatchFrame(MediaType type, std::string_view event, std::string_view object, std::string& out) {
  if (type != MediaType::kProtobuf) {
    out += "{\"type\":\"";
    out += event;
    out += "\",\"object\":";
    out += object;
    out += "}\n";
    return;
  }
  // WatchEvent{type = 1, object = 2: RawExtension{raw = 1}}
  const std::size_t extension = 1 + VarintSize(object.size()) + object.size();
  const std::size_t frame = 1 + VarintSize(event.size()) + event.size() + 1 + VarintSize(extension) + extension;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(frame >> shift);
  PutBytes(1, event, out);
  PutVarint((2 << 3) | 2, out);
  PutVarint(extension, out);
  PutBytes(1, object, out);
}

void AppendErrorFrame(MediaType type, const Status& status, std::string& out) {
  std::string object;
  Encode(type, *StatusObject(status), object);
  AppendWatchFrame(type, "ERROR", object, out);
}

std::string WatchContentType(MediaType type) {
  return type == MediaType::kProtobuf ? "application/vnd.kubernetes.protobuf;stream=watch" : "application/json";
}

std::unique_ptr<BodySource> NewWatchSource(const Route& route, std::unique_ptr<WatchStream> stream,
                                           std::shared_ptr<Signal> signal, Duration timeout, Strand& timers,
                                           const Clock& clock) {
  return std::make_unique<WatchSource>(route, std::move(stream), std::move(signal), timeout, timers, clock);
}

}  // namespace minikube::api
