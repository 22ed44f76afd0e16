import java.io.File;
import java.io.IOException;
import javax.xml.XMLConstants;
import javax.xml.transform.Source;
import javax.xml.transform.stream.StreamSource;
import javax.xml.validation.Schema;
import javax.xml.validation.SchemaFactory;
import org.xml.sax.SAXException;

/**
 * Validates UBL 2.1 invoices against the OASIS schemas, which com.helger.ubl:ph-ubl21 and the jars it depends on carry.
 *
 * <p>Usage: {@code java UblSchema.java FOLDER FILE...} with the schemas of those jars unpacked into FOLDER. Prints {@code FILE: valid} per file. Exit code 1 at the
 * first file that is not valid.
 */
public final class UblSchema {
  /** In the order of their imports, some of which name a namespace and no place. */
  private static final String[] SCHEMAS = {
    "schemas/CCTS_CCT_SchemaModule.xsd",
    "schemas/xmldsig-core-schema.xsd",
    "schemas/XAdES01903v132-201601.xsd",
    "schemas/XAdES01903v141-201601.xsd",
    "external/schemas/ubl21/maindoc/UBL-Invoice-2.1.xsd",
  };

  private UblSchema() {}

  public static void main(String[] args) throws IOException, SAXException {
    if (args.length < 2) {
      System.err.println("usage: java UblSchema.java FOLDER FILE...");
      System.exit(2);
    }
    Source[] sources = new Source[SCHEMAS.length];
    for (int i = 0; i < SCHEMAS.length; i++) {
      sources[i] = new StreamSource(new File(args[0], SCHEMAS[i]));
    }
    SchemaFactory factory = SchemaFactory.newInstance(XMLConstants.W3C_XML_SCHEMA_NS_URI);
    factory.setProperty(XMLConstants.ACCESS_EXTERNAL_SCHEMA, "file"); // nothing is fetched
    factory.setProperty(XMLConstants.ACCESS_EXTERNAL_DTD, "");
    Schema schema = factory.newSchema(sources);
    for (int i = 1; i < args.length; i++) {
      try {
        schema.newValidator().validate(new StreamSource(new File(args[i])));
      } catch (SAXException e) {
        System.err.println("UblSchema: " + args[i] + ": " + e);
        System.exit(1);
      }
      System.out.println(args[i] + ": valid");
    }
  }
}
