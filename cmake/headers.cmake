# Lays out <build>/include/xgrad as an installed tree has it: there is one way to include a header, <xgrad/…>.
set(XGRAD_INCLUDE "${PROJECT_BINARY_DIR}/include/xgrad")

# What users include, and what <xgrad/xgrad.hpp> is made of. All other headers are the library's own: what they
# declare is in xgrad::detail or xgrad::kernels, and may change.
set(XGRAD_PUBLIC_HEADERS
  autograd/core/device.hpp
  autograd/core/error.hpp
  autograd/core/pool.hpp
  autograd/core/random.hpp
  autograd/core/scope.hpp
  autograd/core/shape.hpp
  autograd/array/indices.hpp
  autograd/array/launch.hpp
  autograd/array/print.hpp
  autograd/array/profile.hpp
  autograd/array/replay.hpp
  autograd/tape/array.hpp
  autograd/tape/create.hpp
  autograd/tape/formula.hpp
  autograd/tape/gradcheck.hpp
  autograd/tape/graph.hpp
  autograd/tape/mode.hpp
  autograd/tape/op.hpp
  autograd/tape/tensor.hpp
  ops/activation.hpp
  ops/attention.hpp
  ops/conv.hpp
  ops/distance.hpp
  ops/dropout.hpp
  ops/einsum.hpp
  ops/elementwise.hpp
  ops/functional.hpp
  ops/index.hpp
  ops/integer.hpp
  ops/linalg.hpp
  ops/loss.hpp
  ops/matmul.hpp
  ops/matrix.hpp
  ops/order.hpp
  ops/random.hpp
  ops/norm.hpp
  ops/pool.hpp
  ops/recurrent.hpp
  ops/reduce.hpp
  ops/shape.hpp
  ops/softmax.hpp
  ops/threads.hpp
  nn/activation.hpp
  nn/attention.hpp
  nn/bilinear.hpp
  nn/check.hpp
  nn/conv.hpp
  nn/checkpoint.hpp
  nn/decay_groups.hpp
  nn/dropout.hpp
  nn/embedding.hpp
  nn/init.hpp
  nn/linear.hpp
  nn/loss.hpp
  nn/module.hpp
  nn/norm.hpp
  nn/npy.hpp
  nn/pool.hpp
  nn/positions.hpp
  nn/rnn.hpp
  nn/rnn_cell.hpp
  nn/safetensors.hpp
  nn/sequential.hpp
  nn/shape.hpp
  nn/unrolled.hpp
  nn/transformer.hpp
  nn/visitor.hpp
  optim/adagrad.hpp
  optim/adam.hpp
  optim/adam_variants.hpp
  optim/any_optimizer.hpp
  optim/average.hpp
  optim/clip.hpp
  optim/formula_optimizer.hpp
  optim/lbfgs.hpp
  optim/optimizer.hpp
  optim/plateau.hpp
  optim/rmsprop.hpp
  optim/schedule.hpp
  optim/sgd.hpp
  models/char_rnn.hpp
  models/sample.hpp
  models/text.hpp
  models/trainer.hpp
  models/vocabulary.hpp)

# What those include, and users name too: element types, locations, untyped tensors, symbols, and what their own ops
# take and return.
set(XGRAD_NAMED_HEADERS
  autograd/core/dtype.hpp
  autograd/core/location.hpp
  autograd/array/any_tensor.hpp
  autograd/formula/symbol.hpp
  autograd/tape/methods.hpp
  autograd/tape/op_interface.hpp
  autograd/tape/sink.hpp)

# The floors of autograd/ are its own affair: <xgrad/autograd/tensor.hpp> says where a header is today.
foreach(folder IN ITEMS ops nn optim models)
  file(MAKE_DIRECTORY "${XGRAD_INCLUDE}")
  file(CREATE_LINK "${PROJECT_SOURCE_DIR}/${folder}" "${XGRAD_INCLUDE}/${folder}" SYMBOLIC)
endforeach()
if(IS_SYMLINK "${XGRAD_INCLUDE}/autograd")  # laid out by an older version
  file(REMOVE "${XGRAD_INCLUDE}/autograd")
endif()
file(MAKE_DIRECTORY "${XGRAD_INCLUDE}/autograd")
foreach(floor IN ITEMS core kernels array formula tape)
  file(CREATE_LINK "${PROJECT_SOURCE_DIR}/autograd/${floor}" "${XGRAD_INCLUDE}/autograd/${floor}" SYMBOLIC)
endforeach()

set(XGRAD_ALL_INCLUDES "")
foreach(header IN LISTS XGRAD_PUBLIC_HEADERS)
  string(APPEND XGRAD_ALL_INCLUDES "#include <xgrad/${header}>\n")
  if(header MATCHES "^autograd/[a-z]+/(.*)$")
    file(CONFIGURE OUTPUT "${XGRAD_INCLUDE}/autograd/${CMAKE_MATCH_1}"
         CONTENT "#pragma once\n\n#include <xgrad/${header}>\n")
  endif()
endforeach()
configure_file(cmake/version.hpp.in "${XGRAD_INCLUDE}/version.hpp" @ONLY)
configure_file(cmake/xgrad.hpp.in "${XGRAD_INCLUDE}/xgrad.hpp" @ONLY)
