// What PyTorch computes, from the files that tests/reference/make.py writes, held against calls of ours.
//
//   ReferenceTable table("elementwise.safetensors");
//   table.add("logaddexp", [](const auto& x) { return logaddexp(x[0], x[1]); });
//   table.check();
//
// A row has one call and, in the file, any number of cases. check() compares results, the gradients of every
// input and the gradients of those gradients, and asks that the table has just the rows that the file has.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <xgrad/autograd/array/indices.hpp>
#include <xgrad/nn/safetensors.hpp>
#include "op_table.hpp"

namespace xgrad::testing {

/// The inputs of a case: tensors by number, and integers and masks apart from them.
struct ReferenceInputs : std::vector<Tensor<double>> {
  std::vector<Indices> indices;
};

/// What a call returns: tensors, and the integers that come with them.
struct ReferenceResult {
  Tensors<double> tensors;
  std::vector<Indices> indices = {};

  ReferenceResult(Tensor<double> y) : tensors{std::move(y)} {}
  ReferenceResult(Tensors<double> y) : tensors(std::move(y)) {}
  ReferenceResult(Indices y) : indices{std::move(y)} {}
  ReferenceResult(Tensors<double> y, std::vector<Indices> z) : tensors(std::move(y)), indices(std::move(z)) {}
};

/// How close a row is asked to be, and what of it is not compared.
struct ReferenceOptions {
  double limit = 1e-9;  ///< of the largest entry wanted
  /// A deliberate difference: "case: why", for the case of that number, or "case second: why" for its
  /// gradients of gradients alone. It is printed, and must be there: a case that agrees after all fails.
  std::vector<std::string> different = {};
};

class ReferenceTable {
 public:
  using Call = std::function<ReferenceResult(const ReferenceInputs&)>;

  /// Reads tests/reference/`file`.
  explicit ReferenceTable(const std::string& file);

  void add(const std::string& name, Call call, ReferenceOptions options = {});
  /// Compares everything; one line for each thing that is wrong, or none.
  std::string check() const;

 private:
  struct Row {
    std::string name;
    Call call;
    ReferenceOptions options;
  };
  std::map<std::string, AnyTensor> arrays_;
  std::set<std::string> names_;  // of the file's rows
  std::vector<Row> rows_;
};

}  // namespace xgrad::testing
