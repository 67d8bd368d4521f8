#include "kube/amounts.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string_view>

namespace minikube::kube {

namespace {

using Wide = __int128;

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();

Wide MilliOf(const Quantity& quantity) {
  const std::int64_t whole = quantity.Value();
  if (whole > kMost / 1000 || whole < -(kMost / 1000)) return static_cast<Wide>(whole) * 1000;
  return quantity.MilliValue();
}

bool IsBinary(const Quantity& quantity) { return quantity.text.view().ends_with('i'); }

// `like`: whose form it takes.
Quantity FromMilli(Wide milli, const Quantity& like) {
  if (milli % 1000 == 0) {
    const Wide whole = milli / 1000;
    const auto value = static_cast<std::int64_t>(std::min<Wide>(std::max<Wide>(whole, -kMost), kMost));
    return IsBinary(like) ? Quantity::FromBytes(value) : Quantity::FromInt(value);
  }
  return Quantity::FromMilli(static_cast<std::int64_t>(std::min<Wide>(std::max<Wide>(milli, -kMost), kMost)));
}

const Quantity& FormOf(const Quantity& a, const Quantity& b) { return IsZero(a) ? b : a; }

// Those that stand for the whole pod when it names them.
bool IsPodLevel(std::string_view name) { return name == "cpu" || name == "memory" || name.starts_with("hugepages-"); }

template <typename Of>
Amounts OfPod(const core::v1::PodSpec& spec, const Of& of) {
  Amounts all;
  for (const core::v1::Container& container : spec.containers) Add(all, of(container.resources));
  Amounts sidecars;
  Amounts init;
  for (const core::v1::Container& container : spec.initContainers) {
    Amounts now = of(container.resources);
    if (container.restartPolicy && *container.restartPolicy == "Always") {
      Add(all, now);
      Add(sidecars, now);
      now = sidecars;
    } else {
      Add(now, sidecars);
    }
    Raise(init, now);
  }
  Raise(all, init);
  if (spec.resources) {
    for (const auto& [name, quantity] : of(*spec.resources)) {
      if (IsPodLevel(name.view())) all[name.view()] = quantity;
    }
  }
  return all;
}

}  // namespace

bool IsZero(const Quantity& quantity) { return MilliOf(quantity) == 0; }
bool IsNegative(const Quantity& quantity) { return MilliOf(quantity) < 0; }

Quantity Sum(const Quantity& a, const Quantity& b) { return FromMilli(MilliOf(a) + MilliOf(b), FormOf(a, b)); }
Quantity Difference(const Quantity& a, const Quantity& b) { return FromMilli(MilliOf(a) - MilliOf(b), FormOf(a, b)); }

void Add(Amounts& to, const Amounts& more) {
  for (const auto& [name, quantity] : more) {
    const Quantity* has = to.Find(name.view());
    to[name.view()] = has != nullptr ? Sum(*has, quantity) : quantity;
  }
}

void Raise(Amounts& to, const Amounts& least) {
  for (const auto& [name, quantity] : least) {
    const Quantity* has = to.Find(name.view());
    if (has == nullptr || has->Compare(quantity) < 0) to[name.view()] = quantity;
  }
}

Amounts PodRequests(const core::v1::PodSpec& spec) {
  return OfPod(spec, [](const core::v1::ResourceRequirements& resources) { return resources.requests; });
}

Amounts PodLimits(const core::v1::PodSpec& spec) {
  return OfPod(spec, [](const core::v1::ResourceRequirements& resources) { return resources.limits; });
}

}  // namespace minikube::kube
