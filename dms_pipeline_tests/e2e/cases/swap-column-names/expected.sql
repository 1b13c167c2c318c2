SELECT b = 2 AND a = 20 FROM {schema}.t WHERE k = 2
