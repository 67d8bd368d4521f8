// "%s is %d".format([...]), of the strings extension.
#pragma once

#include <string>
#include <string_view>

#include "cel/value.h"

namespace minikube::cel {

// The text, or an error that says which clause does not fit its argument.
Value FormatText(std::string_view format, const Value& args);
// A double as string() writes it: Go's %g with the shortest digits.
std::string DoubleText(double value);

}  // namespace minikube::cel
