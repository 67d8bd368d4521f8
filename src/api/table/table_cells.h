// What the printers of the kinds share: the row being written, and the texts that several of them need.
//
// A printer fills in one cell per column of its resource, in the columns' order. Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/api/core/v1.h>
#include <minikube/api/meta/v1.h>
#include <minikube/env.h>
#include <minikube/json.h>
#include <minikube/object.h>

#include "api/table/human_duration.h"
#include "api/world/custom_resource.h"

namespace minikube::api {

class Cells {
 public:
  explicit Cells(std::string& out) : out_(out) {}
  Cells& Text(std::string_view text);
  Cells& TextOr(std::string_view text, std::string_view if_empty) { return Text(text.empty() ? if_empty : text); }
  Cells& Int(std::int64_t value);
  Cells& Bool(bool value);
  Cells& Number(const Json& value);  // as spelled
  Cells& Null();
  std::size_t count() const { return count_; }

 private:
  void Separate();
  std::string& out_;
  std::size_t count_ = 0;
};

using Printer = void (*)(const Object& object, WallTime now, Cells& cells);

// The printer of a type, or null: then its declared columns are read from its fields (PrintFields).
Printer FindPodPrinter(const MessageDesc& desc);
Printer FindWorkloadPrinter(const MessageDesc& desc);
Printer FindCorePrinter(const MessageDesc& desc);
Printer FindPolicyPrinter(const MessageDesc& desc);

// Cells of a custom object, by the paths of its definition.
void PrintCustom(const CustomResourceDesc& resource, const Object& object, WallTime now, Cells& cells);

// Cells for types without a printer, by the names of their columns.
void PrintFields(const ResourceDesc& resource, const Object& object, WallTime now, Cells& cells);

inline constexpr std::string_view kNone = "<none>";
inline constexpr std::string_view kUnset = "<unset>";

std::string JoinTexts(const std::vector<std::string>& texts, std::string_view separator);
// The first three, then " + N more..."; kNone if there are none.
std::string FirstThree(const std::vector<std::string>& texts);
// Names and images of containers, comma-separated.
std::string ContainerNames(const List<core::v1::Container>& containers);
std::string ContainerImages(const List<core::v1::Container>& containers);
// "a=b,c=d"; kNone if empty.
std::string LabelText(const Map<Str>& labels);
std::string SelectorText(const meta::v1::LabelSelector* selector);
// "RWO,ROX,RWX,RWOP".
std::string AccessModes(const List<Str>& modes);

inline std::string AgeOf(const Object& object, WallTime now) { return Age(object.meta().creationTimestamp, now); }

}  // namespace minikube::api
