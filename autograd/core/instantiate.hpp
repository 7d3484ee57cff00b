// Instantiates the templates of a .cpp, which includes this at its end: XGRAD_INSTANTIATE(T) for every type
// of a tensor's elements, XGRAD_INSTANTIATE_ARRAY(X) for every type of array. There is no include guard, for
// a file may do so again.
#ifdef XGRAD_INSTANTIATE
XGRAD_INSTANTIATE(float)
XGRAD_INSTANTIATE(double)
#undef XGRAD_INSTANTIATE
#endif

#ifdef XGRAD_INSTANTIATE_ARRAY
XGRAD_INSTANTIATE_ARRAY(Tensor<float>)
XGRAD_INSTANTIATE_ARRAY(Tensor<double>)
XGRAD_INSTANTIATE_ARRAY(Indices)
#undef XGRAD_INSTANTIATE_ARRAY
#endif
