SELECT a AND b = '\x01' AND c = '\xffffffffffffffff' FROM {schema}.t WHERE k = 1
