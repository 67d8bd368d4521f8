// resource.Quantity: parsing and the canonical form.
// (Kubernetes API reference, "Quantity": <signedNumber><suffix>, suffix one of binarySI, decimalSI, decimalExponent.)
#pragma once

#include <string>
#include <string_view>

namespace minikube::model {

// Appends the canonical form of `text` to `out`: an integer with the largest suffix of its family that loses nothing;
// values finer than a billionth are rounded away from zero. False, and nothing appended, if `text` is no quantity, has
// more than 37 significant digits before the billionths, or an exponent beyond 9999.
bool CanonicalizeQuantity(std::string_view text, std::string& out);

// True if `text` certainly is in canonical form; a cheap test that most quantities in use pass.
bool IsPlainlyCanonicalQuantity(std::string_view text);

// What is said about a text that is not a quantity.
inline constexpr std::string_view kQuantityError =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

}  // namespace minikube::model
